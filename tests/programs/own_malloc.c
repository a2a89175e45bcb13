// An executable that brings its own malloc: no preloaded library can come before it.
//
// Truth: prints the number of calls its own malloc has served; the shim sees none of them.

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char arena[8 << 20];
static size_t used;
static volatile long calls;

void *malloc(size_t size) {
    size_t start = __sync_fetch_and_add(&used, (size + 31) / 16 * 16);
    __sync_fetch_and_add(&calls, 1);
    if (used > sizeof arena) _exit(9);
    *(size_t *)(arena + start) = size;
    return arena + start + 16;
}

void free(void *block) { (void)block; }

void *calloc(size_t count, size_t size) {
    void *block = malloc(count * size);
    return memset(block, 0, count * size);
}

void *realloc(void *block, size_t size) {
    void *moved = malloc(size);
    size_t old = block ? ((size_t *)block)[-2] : 0;
    return block ? memcpy(moved, block, old < size ? old : size) : moved;
}

int main(void) {
    long before = calls;
    for (int round = 0; round < 1000; round++) free(malloc(100));
    printf("%ld own calls\n", calls - before);
    return 0;
}
