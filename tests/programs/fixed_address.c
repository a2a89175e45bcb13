// An executable at a fixed address that takes malloc's address, which is then its own stub.
//
// Truth: 5,000 blocks of 100 bytes, all freed.

#include <stdlib.h>

int main(void) {
    void *(*volatile allocate)(size_t) = malloc;
    for (int block = 0; block < 5000; block++) free(allocate(100));
    return 0;
}
