// ARGUMENT children (200 if none) are alive together, each with 50 blocks of its own.
//
// Truth: every child allocates 50 through child_blocks, and all end with status 0.

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile kept[50];

__attribute__((noipa)) static void child_blocks(void) {
    for (int index = 0; index < 50; index++) kept[index] = malloc(100);
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 200, good = 0;
    int ready[2], go[2];
    char byte = 0;
    if (pipe(ready) || pipe(go)) return 9;
    for (int index = 0; index < count; index++) {
        if (fork() == 0) {
            close(go[1]);
            child_blocks();
            if (write(ready[1], &byte, 1) != 1) _exit(8);
            // The end of the pipe is the sign that all are there.
            _exit(read(go[0], &byte, 1) == 0 ? 0 : 7);
        }
    }
    for (int index = 0; index < count; index++)
        if (read(ready[0], &byte, 1) != 1) return 8;
    close(go[1]);
    for (int status; wait(&status) > 0;) good += status == 0;
    printf("%d of %d\n", good, count);
    return good != count;
}
