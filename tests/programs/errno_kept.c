// Sets errno before every call of the allocator and looks at it after.
//
// Truth: no call that succeeds changes errno, no free does; a failing one sets ENOMEM.

#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { MARK = 77 };
static volatile size_t huge = PTRDIFF_MAX;
static long changed;

static void expect(int wanted, const char *call) {
    if (errno != wanted && changed++ < 10) printf("%s: errno %d, not %d\n", call, errno, wanted);
    errno = MARK;
}

static void call_each(size_t size) {
    void *aligned = NULL;
    errno = MARK;
    void *block = malloc(size);
    expect(MARK, "malloc");
    block = realloc(block, size * 2);
    expect(MARK, "realloc");
    free(block);
    expect(MARK, "free");
    block = calloc(3, size);
    expect(MARK, "calloc");
    free(block);
    expect(MARK, "free of calloc");
    if (posix_memalign(&aligned, 64, size)) puts("posix_memalign failed");
    expect(MARK, "posix_memalign");
    free(aligned);
    expect(MARK, "free of posix_memalign");
    free(NULL);
    expect(MARK, "free(NULL)");
}

static void *call_many(void *unused) {
    for (size_t round = 0; round < 3000; round++) call_each(1 + round * 37 % 5000);
    for (size_t round = 0; round < 20; round++) call_each(200000 + round);
    return unused;
}

int main(void) {
    pthread_t thread;
    call_many(NULL);
    pthread_create(&thread, NULL, call_many, NULL);
    pthread_join(thread, NULL);
    errno = MARK;
    if (malloc(huge)) puts("malloc of too much worked");
    expect(ENOMEM, "failing malloc");
    if (calloc(huge, 4)) puts("calloc of too much worked");
    expect(ENOMEM, "failing calloc");
    if (mmap(NULL, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) puts("mmap worked");
    expect(ENOMEM, "failing mmap");
    if (munmap((void *)1, 4096) != -1) puts("munmap of nonsense worked");
    expect(EINVAL, "failing munmap");
    printf("%ld changed\n", changed);
    return changed != 0;
}
