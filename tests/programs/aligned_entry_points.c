// Asks every aligned entry point for ten blocks of 1 MiB and keeps them.
//
// Truth: 50 blocks and 50 MiB through allocate_aligned, ten through each by_* function, all alive.

#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP __attribute__((noipa))
enum { MIB = 1 << 20 };

KEEP static void *by_posix_memalign(void) {
    void *block = NULL;
    return posix_memalign(&block, 256, MIB) ? NULL : block;
}
KEEP static void *by_aligned_alloc(void) { return aligned_alloc(256, MIB); }
KEEP static void *by_memalign(void) { return memalign(256, MIB); }
KEEP static void *by_valloc(void) { return valloc(MIB); }
KEEP static void *by_pvalloc(void) { return pvalloc(MIB); }

KEEP static int allocate_aligned(void) {
    int aligned = 0;
    for (int round = 0; round < 10; round++) {
        void *blocks[] = {by_posix_memalign(), by_aligned_alloc(), by_memalign(), by_valloc(),
                          by_pvalloc()};
        for (int entry = 0; entry < 5; entry++)
            aligned += blocks[entry] && (uintptr_t)blocks[entry] % 256 == 0;
    }
    return aligned;
}

int main(void) {
    printf("%d aligned blocks\n", allocate_aligned());
    return 0;
}
