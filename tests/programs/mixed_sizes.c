// Allocates ARGUMENT 1 blocks (20,000 if none) of a mixture of sizes, from ARGUMENT 2 bytes on
// (16 if none), and frees all but every fourth.
//
// Truth: printed: blocks and bytes allocated through mixed_allocate, and blocks and bytes alive.
// The sizes are powers of two of the smallest, each half as frequent as the one before.

#include <stdio.h>
#include <stdlib.h>

static void **kept;

__attribute__((noipa)) static void *mixed_allocate(size_t size) { return malloc(size); }

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 20000;
    size_t smallest = argc > 2 ? (size_t)atol(argv[2]) : 16;
    unsigned long random = 88172645463325252, bytes = 0, alive = 0, live_bytes = 0;
    kept = malloc(sizeof *kept * (size_t)count);
    for (int index = 0; index < count; index++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        size_t size = smallest << __builtin_ctzl(random | 1 << 10);
        void *block = mixed_allocate(size);
        bytes += size;
        if (index % 4 == 0) {
            kept[index] = block;
            alive++;
            live_bytes += size;
        } else free(block);
    }
    printf("%d %lu %lu %lu\n", count, bytes, alive, live_bytes);
    return 0;
}
