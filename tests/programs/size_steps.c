// Allocates blocks of three sizes from three functions and keeps every second one.
//
// Truth: small_blocks 100 of 16 bytes, middle_blocks 200 of 100, large_blocks 300 of 5,000;
// half of each alive at the end: 50, 100 and 150.

#include <stdlib.h>

static void *volatile kept[600];
static int used;

static void keep_every_second(int index, void *block) {
    if (index % 2) free(block);
    else kept[used++] = block;
}

#define ALLOCATOR(name, count, size)                                              \
    __attribute__((noipa)) static void name(void) {                              \
        for (int index = 0; index < (count); index++) keep_every_second(index, malloc(size)); \
    }

ALLOCATOR(small_blocks, 100, 16)
ALLOCATOR(middle_blocks, 200, 100)
ALLOCATOR(large_blocks, 300, 5000)

int main(void) {
    small_blocks();
    middle_blocks();
    large_blocks();
    return 0;
}
