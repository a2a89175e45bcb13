// Keeps 300 blocks of 8,193 bytes, one more than a usual size class, and 300 of 8,192.
//
// Truth: under jemalloc, whose next class is 10,240 bytes, `too_large_by_one` wastes a fifth of
// its memory and `just_right` nothing.

#include <stdlib.h>

static void *volatile kept[600];

__attribute__((noipa)) static void *too_large_by_one(void) { return malloc(8193); }
__attribute__((noipa)) static void *just_right(void) { return malloc(8192); }

int main(void) {
    for (int index = 0; index < 600; index += 2) {
        kept[index] = too_large_by_one();
        kept[index + 1] = just_right();
    }
    return 0;
}
