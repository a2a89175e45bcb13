// Recurses 10,000 deep (or as deep as the argument says) and allocates one block at the bottom.
//
// Truth: one block of 123 bytes; its stack has recurse at the leaf side and main at the root side.

#include <stdio.h>
#include <stdlib.h>

static void *volatile kept;

__attribute__((noipa)) static int recurse(int depth) {
    if (depth == 0) {
        kept = malloc(123);
        return 0;
    }
    return recurse(depth - 1) + 1;
}

int main(int argc, char **argv) {
    printf("%d\n", recurse(argc > 1 ? atoi(argv[1]) : 10000));
    return 0;
}
