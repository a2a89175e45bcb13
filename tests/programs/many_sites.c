// Allocates 20,000 blocks from 256 different stacks, frees every second one and adds up a sum.
//
// Truth: 20,000 begun through branch, 10,000 ended. Prints the sum, the same on every run.

#include <stdio.h>
#include <stdlib.h>

#define KEEP __attribute__((noipa))

static unsigned char *kept[20000];

KEEP static void *branch(int path, int depth, size_t size);
KEEP static void *left(int path, int depth, size_t size) { return branch(path, depth, size); }
KEEP static void *right(int path, int depth, size_t size) { return branch(path, depth, size); }

KEEP static void *branch(int path, int depth, size_t size) {
    if (depth == 0) return malloc(size);
    return path & 1 ? left(path >> 1, depth - 1, size) : right(path >> 1, depth - 1, size);
}

int main(void) {
    unsigned long sum = 0;
    for (int index = 0; index < 20000; index++) {
        size_t size = 16 + index * 31 % 500;
        kept[index] = branch(index % 256, 8, size);
        if (!kept[index]) return 9;
        kept[index][0] = kept[index][size - 1] = (unsigned char)index;
    }
    for (int index = 0; index < 20000; index++) sum = sum * 31 + kept[index][0];
    for (int index = 0; index < 20000; index += 2) free(kept[index]);
    printf("sum %lu\n", sum);
    return 0;
}
