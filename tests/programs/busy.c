// Allocates ARGUMENT 1 blocks of 16 to 271 bytes, of which 1,000 live at a time, and frees them all.
//
// Truth: printed: blocks allocated through busy_block, all freed.

#include <stdio.h>
#include <stdlib.h>

static char *kept[1000];

__attribute__((noipa)) static char *busy_block(size_t size) { return malloc(size); }

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 1000000;
    for (long index = 0; index < count; index++) {
        char **place = &kept[index % 1000];
        free(*place);
        *place = busy_block(16 + (size_t)index % 256);
        if (!*place) return 9;
        **place = (char)index;
    }
    for (int index = 0; index < 1000; index++) free(kept[index]);
    printf("%ld\n", count);
    return 0;
}
