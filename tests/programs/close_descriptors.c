// Closes all descriptors from 0 to 1023, as daemons do, opens one file and writes to it while it
// allocates. With "exec" as first argument it executes the rest of its arguments instead.
//
// Truth: status 0; the file has 5,000 bytes, all 'x': nobody else writes to a descriptor that the
// program opens. 5,000 blocks through after_close, all alive.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile kept[5000];

__attribute__((noipa)) static int after_close(int file) {
    for (int index = 0; index < 5000; index++) {
        kept[index] = malloc(300);
        if (write(file, "x", 1) != 1) return 7;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    void *volatile before = malloc(10);
    free(before);
    for (int descriptor = 0; descriptor < 1024; descriptor++) close(descriptor);
    if (!strcmp(argv[1], "exec")) {
        execv(argv[2], argv + 2);
        return 5;
    }
    int file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file != 0) return 6;
    return after_close(file);
}
