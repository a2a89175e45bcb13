// Reads a number of MiB from each line of its standard input, makes the blocks that it holds as many
// as that, each of 1 MiB and written to, and answers with a line "holds N".
//
// Truth: after "holds N" there are N live blocks of hold_block, of 1,048,576 bytes each.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEBIBYTE = 1 << 20, MOST = 4096 };

static void *held[MOST];

__attribute__((noipa)) static void *hold_block(void) { return malloc(MEBIBYTE); }

int main(void) {
    char line[64];
    long count = 0;
    while (fgets(line, sizeof line, stdin)) {
        long wanted = atol(line);
        if (wanted < 0 || wanted > MOST) return 9;
        while (count < wanted) {
            void *block = hold_block();
            if (!block) return 8;
            held[count++] = memset(block, 1, MEBIBYTE);
        }
        while (count > wanted) free(held[--count]);
        printf("holds %ld\n", count);
        fflush(stdout);
    }
    return 0;
}
