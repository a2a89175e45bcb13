// Holds one more MiB, written to, every millisecond until it is killed, or has no memory left; it
// writes a line "holds N" after each 8 MiB, and aborts where malloc refuses.
//
// Truth: every block that it holds is of keep_block, of 1,048,576 bytes.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noipa)) static void *keep_block(void) { return malloc(1 << 20); }

int main(void) {
    for (long count = 1;; count++) {
        void *block = keep_block();
        if (!block) abort();
        memset(block, 1, 1 << 20);
        if (count % 8 == 0) {
            printf("holds %ld\n", count);
            fflush(stdout);
        }
        usleep(1000);
    }
}
