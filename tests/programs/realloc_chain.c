// Grows one block 999 times, in place and by moving, checks its content and frees it.
//
// Truth: 1,000 blocks begun through grow_chain, 1,000 ended, none alive, content kept.

#include <stdio.h>
#include <stdlib.h>

__attribute__((noipa)) static long grow_chain(void) {
    unsigned char *block = malloc(1);
    block[0] = 0;
    for (size_t size = 2; size <= 1000; size++) {
        block = realloc(block, size * size / 4 + size);
        block[size - 1] = (unsigned char)size;
    }
    long sum = 0;
    for (int index = 0; index < 1000; index++) sum += block[index];
    free(block);
    return sum;
}

int main(void) {
    printf("sum %ld\n", grow_chain());
    return 0;
}
