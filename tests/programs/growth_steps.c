// Allocates on demand: each line "N" on its standard input keeps N more blocks of 4,096 bytes, and
// "-N" frees the N oldest; after each it writes "now COUNT".
//
// Truth: after the lines "300", "-100" and "50" there are 250 blocks of `kept`; from the second line
// on 50 were born and live, and 100 older ones were freed.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIZE = 4096, MOST = 100000 };

static char *blocks[MOST];
static int first, count;

__attribute__((noipa)) static void kept(int blocks_wanted) {
    for (int index = 0; index < blocks_wanted; index++) blocks[count++] = malloc(SIZE);
}

__attribute__((noipa)) static void drop(int blocks_wanted) {
    for (int index = 0; index < blocks_wanted; index++) free(blocks[first++]);
}

int main(void) {
    // The C library's buffers would be blocks too.
    static char input[64], output[64];
    setvbuf(stdin, input, _IOLBF, sizeof input);
    setvbuf(stdout, output, _IOLBF, sizeof output);
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int change = atoi(line);
        if (change > 0) kept(change);
        if (change < 0) drop(-change);
        printf("now %d\n", count - first);
    }
    return 0;
}
