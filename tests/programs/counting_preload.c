// An independent witness: counts every call of the allocator, and does nothing else.
//
// Truth: a block begins when malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign,
// valloc or pvalloc hands it out, and ends when free or a successful realloc gets it back.
// NULL results begin nothing; realloc(p, 0) that returns NULL is a free; free(NULL) is nothing.
//
// The counts live in a mapped file, COUNT_FILE.PID.N, so they are complete however a process ends:
// allocations, frees and bytes asked for, as three 64-bit words. N counts the programs that one
// process has executed. Calls made by dlsym while it looks up the real functions are served from
// a small arena and not counted; a fork gets its own file, found out by a page that forks empty.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 * 1024, PAGE = 4096 };

struct counts {
    _Atomic uint64_t allocations, frees, bytes;
};

// What a fork must find empty.
struct process {
    _Atomic(struct counts *) counts;
    atomic_int opening;
};

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static void *(*real_aligned_alloc)(size_t, size_t);
static void *(*real_memalign)(size_t, size_t);
static void *(*real_valloc)(size_t);
static void *(*real_pvalloc)(size_t);

// One thread-local word, as the shim has: the loader allocates 16 bytes more for each thread when
// one more library has thread-locals, and both must make it do the same.
static __thread volatile int same_as_shim __attribute__((tls_model("initial-exec")));

static _Alignas(16) char arena[ARENA_BYTES];
static atomic_size_t arena_used;
static _Atomic(struct process *) process;
static struct counts nowhere;
static atomic_int state; // 0 not looked up, 1 looking up, 2 ready

static void *arena_malloc(size_t size) {
    size_t need = (size + 31) / 16 * 16;
    size_t start = atomic_fetch_add(&arena_used, need);
    if (start + need > ARENA_BYTES) _exit(99);
    *(size_t *)(arena + start) = size;
    return arena + start + 16;
}

static int is_in_arena(void *block) {
    return (char *)block >= arena && (char *)block < arena + ARENA_BYTES;
}

static void look_up(void) {
    int fresh = 0;
    if (!atomic_compare_exchange_strong(&state, &fresh, 1)) return;
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    real_posix_memalign = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    real_aligned_alloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "aligned_alloc");
    real_memalign = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "memalign");
    real_valloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "valloc");
    real_pvalloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "pvalloc");
    atomic_store(&state, 2);
}

// Ready from the first call on; false only inside dlsym's own calls.
static int is_ready(void) {
    if (atomic_load(&state) == 0) look_up();
    return atomic_load(&state) == 2;
}

static char *append(char *end, const char *text) {
    while (*text) *end++ = *text++;
    *end = 0;
    return end;
}

static char *append_number(char *end, unsigned long number) {
    char digits[24];
    int length = 0;
    do digits[length++] = '0' + number % 10; while (number /= 10);
    while (length) *end++ = digits[--length];
    *end = 0;
    return end;
}

// A new file for this process and program, mapped; or memory that nobody reads.
static struct counts *open_counts(void) {
    const char *prefix = getenv("COUNT_FILE");
    if (!prefix || strlen(prefix) > 3000) return &nowhere;
    int fd = -1;
    for (unsigned long number = 0; fd < 0 && number < 1000; number++) {
        char name[PAGE], *end = append(name, prefix);
        end = append_number(append(end, "."), syscall(SYS_getpid));
        append_number(append(end, "."), number);
        fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST) return &nowhere;
    }
    void *map = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct counts)) == 0)
        map = mmap(NULL, sizeof(struct counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? &nowhere : map;
}

static struct process *this_process(void) {
    struct process *found = atomic_load(&process);
    if (found) return found;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, PAGE, MADV_WIPEONFORK)) _exit(98);
    if (atomic_compare_exchange_strong(&process, &found, page)) return page;
    munmap(page, PAGE);
    return found;
}

static struct counts *counts(void) {
    struct process *mine = this_process();
    struct counts *found = atomic_load(&mine->counts);
    if (found) return found;
    int saved = errno, nobody = 0;
    if (atomic_compare_exchange_strong(&mine->opening, &nobody, 1))
        atomic_store(&mine->counts, open_counts());
    while (!(found = atomic_load(&mine->counts))) syscall(SYS_sched_yield);
    errno = saved;
    return found;
}

static void *begun(void *block, size_t size) {
    if (block) {
        atomic_fetch_add(&counts()->allocations, 1);
        atomic_fetch_add(&counts()->bytes, size);
    }
    return block;
}

static void ended(void) {
    same_as_shim++;
    atomic_fetch_add(&counts()->frees, 1);
}

void *malloc(size_t size) {
    return is_ready() ? begun(real_malloc(size), size) : arena_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return is_ready() ? begun(real_calloc(count, size), count * size) : arena_malloc(count * size);
}

void free(void *block) {
    if (!block || is_in_arena(block)) return;
    if (is_ready()) {
        ended();
        real_free(block);
    }
}

void *realloc(void *block, size_t size) {
    if (!block) return malloc(size);
    if (is_in_arena(block) || !is_ready()) {
        void *moved = malloc(size);
        size_t old = ((size_t *)block)[-2];
        return moved ? memcpy(moved, block, old < size ? old : size) : NULL;
    }
    void *moved = real_realloc(block, size);
    if (moved || size == 0) ended();
    return begun(moved, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    if (!is_ready()) return ENOMEM;
    int error = real_posix_memalign(block, alignment, size);
    if (!error) begun(*block, size);
    return error;
}

void *aligned_alloc(size_t alignment, size_t size) {
    return is_ready() ? begun(real_aligned_alloc(alignment, size), size) : NULL;
}

void *memalign(size_t alignment, size_t size) {
    return is_ready() ? begun(real_memalign(alignment, size), size) : NULL;
}

void *valloc(size_t size) { return is_ready() ? begun(real_valloc(size), size) : NULL; }

void *pvalloc(size_t size) { return is_ready() ? begun(real_pvalloc(size), size) : NULL; }
