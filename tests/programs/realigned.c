// Functions whose frames are aligned to 64 bytes, one of them with room of a size known only when
// it runs.
//
// Truth: 10 blocks through in_leaf, called by aligned, called by aligned_with_alloca, called by
// main.

#include <alloca.h>
#include <stdint.h>
#include <stdlib.h>

#define KEEP __attribute__((noipa))

static void *volatile kept[10];
static volatile int used;

KEEP static int is_aligned(void *room) { return (uintptr_t)room % 64 == 0; }

KEEP static void in_leaf(void) { kept[used++] = malloc(60); }

KEEP static int aligned(void) {
    _Alignas(64) char room[64];
    in_leaf();
    return is_aligned(room);
}

KEEP static int aligned_with_alloca(int size) {
    _Alignas(64) char room[64];
    char *more = alloca(size);
    int both = aligned() + is_aligned(room);
    more[size - 1] = (char)both;
    return both + is_aligned(more - (uintptr_t)more % 64);
}

int main(void) {
    int sum = 0;
    for (int round = 0; round < 10; round++) sum += aligned_with_alloca(100 + 777 * round);
    return sum != 30;
}
