// Allocates 5,000 blocks of 32 bytes and ends in the way the first argument names:
// return, _exit, abort, kill, group, segv or quick_exit.
//
// Truth: 5,000 blocks through allocate_block, all alive, however the program ends.
// With "group" a child does the same, and both are killed by one signal to their group.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile blocks[5000];
static volatile int *volatile nowhere;

__attribute__((noipa)) static void allocate_block(int index) { blocks[index] = malloc(32); }

__attribute__((noipa)) static void allocate_all(void) {
    for (int index = 0; index < 5000; index++) allocate_block(index);
}

static void die_with_group(void) {
    int ready[2];
    char byte = 0;
    if (pipe(ready)) _exit(9);
    if (fork() == 0) {
        allocate_all();
        if (write(ready[1], &byte, 1) != 1) _exit(9);
        for (;;) pause();
    }
    allocate_all();
    if (read(ready[0], &byte, 1) != 1) _exit(9);
    kill(0, SIGKILL);
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "return";
    if (!strcmp(how, "group")) die_with_group();
    allocate_all();
    if (!strcmp(how, "_exit")) _exit(7);
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "kill")) kill(getpid(), SIGKILL);
    if (!strcmp(how, "segv")) *nowhere = 1;
    if (!strcmp(how, "quick_exit")) quick_exit(6);
    return 0;
}
