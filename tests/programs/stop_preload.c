// Stands behind the shim and stops, for a debugger, in about one of STOP_EVERY allocations.
//
// Truth: the calls of malloc, calloc and realloc are counted from 0 in the order in which they
// come, and the ones to stop in are chosen by their numbers alone, spread over the whole run. Each
// stop is the one instruction int3, just before the C library's own function is called, so the
// stack below this library is what the shim saw or is about to see. Only the process that was
// started stops: forks do not, and programs that it executes find no STOP_EVERY.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

// The loader allocates before the C library knows its environment; those calls never stop.
enum { UNKNOWN = -1, NEVER = 0 };

static _Atomic uint64_t calls;
static _Atomic long every = UNKNOWN;
static long owner;

static void learn(void) {
    if (!environ) return;
    const char *text = getenv("STOP_EVERY");
    owner = syscall(SYS_getpid);
    atomic_store(&every, text ? strtol(text, NULL, 10) : NEVER);
}

__attribute__((constructor)) static void leave_nothing_to_children(void) {
    if (atomic_load(&every) == UNKNOWN) learn();
    unsetenv("STOP_EVERY");
}

// Sebastiano Vigna's splitmix64: numbers that follow each other give results that do not.
static uint64_t mix(uint64_t number) {
    number += 0x9e3779b97f4a7c15;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

static void maybe_stop(void) {
    if (atomic_load(&every) == UNKNOWN) learn();
    uint64_t number = atomic_fetch_add(&calls, 1);
    long one_in = atomic_load(&every);
    if (one_in != NEVER && mix(number) % one_in == 0 && syscall(SYS_getpid) == owner)
        __asm__ volatile("int3");
}

// Looked up at the first call: dlsym of glibc allocates nothing for a name that it finds.
#define LOOK_UP(name) \
    if (!next_##name) next_##name = (__typeof__(next_##name))dlsym(RTLD_NEXT, #name)

void *malloc(size_t size) {
    LOOK_UP(malloc);
    maybe_stop();
    return next_malloc(size);
}

void *calloc(size_t count, size_t size) {
    LOOK_UP(calloc);
    maybe_stop();
    return next_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    LOOK_UP(realloc);
    maybe_stop();
    return next_realloc(block, size);
}
