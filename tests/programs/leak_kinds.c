// One call site of every kind that the leak detector knows, for so many milliseconds.
//
// Usage: leak_kinds MILLISECONDS. It says "done" and waits to be killed, so that nothing is freed
// by its end.
//
// Truth: leak_slowly leaks 400 blocks of 48 bytes, evenly; grow_vector doubles and
// grow_buffer grows by 4 KiB at a time without end; fill_at_start is resident; fill_until_half is
// a cache that stops growing at half of the time; keep_for_a_while is a first in first out queue,
// churn comes and goes, live_long lives for a random tenth of the run on average.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void *volatile sink;
static uint64_t random_state = 88172645463325252u;

static double uniform(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (double)(random_state >> 11) / 9007199254740992.0;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((noipa)) static void *churn(void) { return malloc(64); }
__attribute__((noipa)) static void *leak_slowly(void) { return malloc(48); }
__attribute__((noipa)) static void *fill_at_start(void) { return malloc(1000); }
__attribute__((noipa)) static void *fill_until_half(void) { return malloc(200); }
__attribute__((noipa)) static void *keep_for_a_while(void) { return malloc(300); }
__attribute__((noipa)) static void *live_long(void) { return malloc(80); }
__attribute__((noipa)) static void *grow_buffer(void *old, size_t size) { return realloc(old, size); }

// A vector as libraries write it: a new block of twice the size, and the old one freed.
__attribute__((noipa)) static void *grow_vector(void *old, size_t size) {
    void *new = malloc(size);
    free(old);
    return new;
}

enum { QUEUE = 500, LONG = 400 };
static void *queue[QUEUE];
static void *long_lived[LONG];

int main(int argc, char **argv) {
    double length = argc > 1 ? atof(argv[1]) / 1000 : 1, begin = now(), share;
    void *buffer = NULL, *vector = NULL;
    size_t buffer_size = 0, vector_size = 16;
    long leaked = 0, filled = 0, queued = 0, replaced = 0;
    for (int index = 0; index < 100; index++) sink = fill_at_start();
    // Each thing is done so many times in the run, however slow the machine is.
    while ((share = (now() - begin) / length) < 1) {
        for (int index = 0; index < 20; index++) free(sink = churn());
        for (; (double)leaked < share * 400; leaked++) sink = leak_slowly();
        for (; (double)filled < (share < 0.5 ? share : 0.5) * 600; filled++) sink = fill_until_half();
        for (; (double)queued < share * 4000; queued++) {
            free(queue[queued % QUEUE]);
            queue[queued % QUEUE] = keep_for_a_while();
        }
        for (; (double)replaced < share * LONG * 10; replaced++) {
            int place = (int)(uniform() * LONG);
            free(long_lived[place]);
            long_lived[place] = live_long();
        }
        for (; (double)buffer_size < share * 400 * 4096;) buffer = grow_buffer(buffer, buffer_size += 4096);
        for (; (double)vector_size < share * 1e6;) vector = grow_vector(vector, vector_size *= 2);
        usleep(50);
    }
    puts("done");
    fflush(stdout);
    pause();
    return 0;
}
