// Calls that look like allocations and frees but are none, and the reverse.
//
// Truth: release_by_realloc 100 blocks begun and ended; fail_to_grow 1 begun, 0 ended inside it;
// overflow_calloc and ask_too_much nothing; allocate_nothing 1 begun and ended, of 0 bytes;
// free_null nothing; grow_from_null 1 begun by realloc(NULL, n), ended by free;
// grow_array 2 begun by reallocarray, 1 ended by it and 1 by free.
// Every errno printed is the one without a profiler.

#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noipa))

static void *volatile kept;

KEEP static void release_by_realloc(void) {
    for (int round = 0; round < 100; round++) {
        void *block = malloc(1040);
        void *result = realloc(block, 0);
        if (result) puts("realloc(p, 0) gave a block");
    }
}

KEEP static void fail_to_grow(void) {
    volatile size_t huge = PTRDIFF_MAX;
    char *block = malloc(100);
    memset(block, 42, 100);
    errno = 0;
    void *grown = realloc(block, huge);
    printf("failing realloc: %d, errno %d, content %d\n", grown != NULL, errno, block[99]);
    kept = block;
}

KEEP static void overflow_calloc(void) {
    volatile size_t half = SIZE_MAX / 2 + 2;
    errno = 0;
    void *block = calloc(half, 2);
    printf("calloc overflow: %d, errno %d\n", block != NULL, errno);
}

KEEP static void ask_too_much(void) {
    volatile size_t huge = PTRDIFF_MAX;
    void *aligned = NULL;
    errno = 0;
    void *block = malloc(huge);
    printf("failing malloc: %d, errno %d\n", block != NULL, errno);
    errno = 0;
    int error = posix_memalign(&aligned, 64, huge);
    printf("failing posix_memalign: %d, errno %d\n", error, errno);
    error = posix_memalign(&aligned, 3, 100);
    printf("misaligned posix_memalign: %d\n", error);
    errno = 0;
    block = memalign(64, huge);
    printf("failing memalign: %d, errno %d\n", block != NULL, errno);
    errno = 0;
    block = reallocarray(NULL, huge, 4);
    printf("overflowing reallocarray: %d, errno %d\n", block != NULL, errno);
}

KEEP static void allocate_nothing(void) {
    void *block = malloc(0);
    printf("malloc(0): %d\n", block != NULL);
    free(block);
}

KEEP static void free_null(void) {
    for (int round = 0; round < 100; round++) free(NULL);
}

KEEP static void grow_from_null(void) {
    void *block = realloc(NULL, 64);
    free(block);
}

KEEP static void grow_array(void) {
    void *block = reallocarray(NULL, 10, 8);
    block = reallocarray(block, 1000, 8);
    free(block);
}

int main(void) {
    // The buffer of standard output is allocated here, in none of the functions below.
    puts("edges");
    release_by_realloc();
    fail_to_grow();
    overflow_calloc();
    ask_too_much();
    allocate_nothing();
    free_null();
    grow_from_null();
    grow_array();
    return 0;
}
