// Makes COUNT calls of one KIND, so that two counts under callgrind give the instructions of one.
#include <stdlib.h>
#include <string.h>

enum { SIZE = 64, SMALLEST = 16, LARGEST = 4096 };

static void malloc_and_free(long count) {
    while (count-- > 0) {
        void *volatile block = malloc(SIZE);
        free(block);
    }
}

static void calloc_and_free(long count) {
    while (count-- > 0) {
        void *volatile block = calloc(1, SIZE);
        free(block);
    }
}

static void realloc_same(long count) {
    void *volatile block = malloc(SIZE);
    while (count-- > 0)
        block = realloc(block, SIZE);
    free(block);
}

// A vector that doubles: the block is copied each time, and begins anew when it is large.
static void realloc_growing(long count) {
    void *volatile block = malloc(SMALLEST);
    size_t size = SMALLEST;
    while (count-- > 0) {
        size = size == LARGEST ? SMALLEST : size * 2;
        block = realloc(block, size);
    }
    free(block);
}

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    const char *kind = arguments[1];
    long calls = atol(arguments[2]);
    if (!strcmp(kind, "malloc"))
        malloc_and_free(calls);
    else if (!strcmp(kind, "calloc"))
        calloc_and_free(calls);
    else if (!strcmp(kind, "same"))
        realloc_same(calls);
    else if (!strcmp(kind, "growing"))
        realloc_growing(calls);
    else
        return 2;
}
