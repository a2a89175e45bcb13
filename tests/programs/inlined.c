// A function that is always inlined allocates on a known line.
//
// Truth: 10 blocks of 77 bytes on the line marked HERE, in inlined_allocate, inlined into
// outer_allocate, called by main.

#include <stdlib.h>

static void *volatile kept[10];

__attribute__((always_inline)) static inline void inlined_allocate(int index) {
    kept[index] = malloc(77); // HERE
}

__attribute__((noipa)) static void outer_allocate(void) {
    for (int index = 0; index < 10; index++) inlined_allocate(index);
}

int main(void) {
    outer_allocate();
    return 0;
}
