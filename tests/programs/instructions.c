// Calls the allocator few and many times in functions of their own, for callgrind to compare.
//
// Truth: each `..._many` makes exactly 1,000 more rounds of the same calls than its `..._few`.

#include <stdlib.h>

enum { FEW = 100, MANY = 1100 };

#define APART __attribute__((noinline, noclone))

// Two functions that make the same calls, so that their costs differ by 1,000 rounds.
#define MEASURED(name, before, round, after)                 \
    APART static void name##_few(void) {                     \
        before;                                              \
        for (size_t i = 1; i <= FEW; i++) { round; }         \
        after;                                               \
    }                                                        \
    APART static void name##_many(void) {                    \
        before;                                              \
        for (size_t i = 1; i <= MANY; i++) { round; }        \
        after;                                               \
    }

static void *volatile block;

MEASURED(malloc_free, , block = malloc(64); free(block), )
MEASURED(calloc_free, , block = calloc(4, 16); free(block), )
MEASURED(realloc_same, block = malloc(64), block = realloc(block, 64), free(block))
MEASURED(realloc_growing, block = malloc(16), block = realloc(block, 16 * i), free(block))

int main(void) {
    // The first calls bind the names, fill the thread's caches and arm the countdown.
    for (int turn = 0; turn < 2; turn++) {
        block = realloc(malloc(64), 64);
        free(block);
        free(calloc(4, 16));
    }
    malloc_free_few();
    malloc_free_many();
    calloc_free_few();
    calloc_free_many();
    realloc_same_few();
    realloc_same_many();
    realloc_growing_few();
    realloc_growing_many();
}
