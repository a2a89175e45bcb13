// Fills a heap of 100 MiB with small blocks and frees every second one, so that hardly a page of it
// can be given back; writes "done" and waits for the end of its standard input.
//
// Truth: 50 MiB are live, in 51,200 blocks of 1,000 bytes (1,008 with what the C library adds that
// can be used) and their heads, and about 100 MiB stay resident: half of the heap is held by holes.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COUNT = 102400, SIZE = 1000 };

static char *blocks[COUNT];

__attribute__((noipa)) static void fill(void) {
    for (int index = 0; index < COUNT; index++) {
        blocks[index] = malloc(SIZE);
        memset(blocks[index], 1, SIZE);
    }
}

int main(void) {
    fill();
    for (int index = 0; index < COUNT; index += 2) free(blocks[index]);
    if (write(1, "done\n", 5) != 5) return 3;
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
