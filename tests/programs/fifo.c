// A queue of 1,000 blocks of 64 bytes through which 100,000 blocks pass; at the end all are freed.
//
// Truth: 100,000 begun and ended through fifo_allocate, never more than 1,000 alive (64,000 bytes).

#include <stdio.h>
#include <stdlib.h>

static void *volatile queue[1000];

__attribute__((noipa)) static void *fifo_allocate(void) { return malloc(64); }

int main(void) {
    for (int index = 0; index < 100000; index++) {
        free(queue[index % 1000]);
        queue[index % 1000] = fifo_allocate();
    }
    for (int index = 0; index < 1000; index++) free(queue[index]);
    return 0;
}
