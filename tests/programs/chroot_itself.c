// Allocates, goes into an empty root directory (the first argument) and allocates much more.
//
// Truth: status 0; 100 blocks through before_chroot and 30,000 through after_chroot, all alive.

#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

static void *volatile kept[30100];

__attribute__((noipa)) static void before_chroot(void) {
    for (int index = 0; index < 100; index++) kept[index] = malloc(50);
}

__attribute__((noipa)) static void after_chroot(void) {
    for (int index = 100; index < 30100; index++) kept[index] = malloc(50);
}

int main(int argc, char **argv) {
    before_chroot();
    if (argc < 2 || chroot(argv[1]) || chdir("/")) return 9;
    after_chroot();
    return 0;
}
