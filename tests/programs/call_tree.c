// Makes ARGUMENT 1 blocks (10,000 if none) from 1,024 call stacks and keeps every ARGUMENT 2nd
// (10 if none).
//
// Truth: printed: blocks allocated, and blocks alive. All of them are allocated through descend,
// whose two calls of itself, ten levels deep, are told apart by the bits of the block's number.

#include <stdio.h>
#include <stdlib.h>

static void **kept;

__attribute__((noipa)) static void *descend(unsigned path, int depth, size_t size) {
    void *block;
    if (depth == 0) return malloc(size);
    if (path & 1) {
        block = descend(path >> 1, depth - 1, size);
        // Keeps the two calls apart, which would else be merged into one.
        __asm__ volatile("# odd" ::: "memory");
    } else {
        block = descend(path >> 1, depth - 1, size);
        __asm__ volatile("# even" ::: "memory");
    }
    return block;
}

int main(int argc, char **argv) {
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    unsigned long step = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    unsigned long alive = 0;
    // Not counted through descend, and left to the kernel.
    kept = malloc(sizeof *kept * (count / step + 1));
    for (unsigned long number = 0; number < count; number++) {
        void *block = descend((unsigned)(number * 2654435761u >> 16), 10, 16 + number % 240);
        if (number % step == 0) kept[alive++] = block;
        else free(block);
    }
    printf("%lu %lu\n", count, alive);
    return 0;
}
