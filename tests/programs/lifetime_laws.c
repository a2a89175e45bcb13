// Allocates ARGUMENT 2 blocks of 64 bytes, one a step, whose lifetimes in steps follow the law
// ARGUMENT 1: `exponential` (mean 2,000), `fixed` (500), `bimodal` (nine of ten 10, the others
// 5,000) or `log-normal` (median 300, sigma 1). With ARGUMENT 3 `finish` it frees at the end what
// is left, else it leaves that alive.
//
// Truth: the laws; a block's lifetime in allocations, its own included, is its steps. Printed: the
// median, the 90th and the 99th percentile of the lifetimes of all that was freed, in nanoseconds
// by the program's own clock.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_MAX = 1 << 15, BLOCKS_MAX = 1 << 20 };

struct block {
    struct block *next;
    long birth_ns;
};

static struct block *due[STEPS_MAX];
static long lifetimes_ns[BLOCKS_MAX];
static int ended;
static unsigned long random_state = 88172645463325252;

static long now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000 + time.tv_nsec;
}

static double uniform(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return ((double)(random_state >> 11) + 0.5) / 9007199254740992.0;
}

static long steps_of(const char *law) {
    double steps;
    if (!strcmp(law, "fixed")) steps = 500;
    else if (!strcmp(law, "bimodal")) steps = uniform() < 0.9 ? 10 : 5000;
    else if (!strcmp(law, "exponential")) steps = ceil(-2000 * log(uniform()));
    else steps = ceil(300 * exp(sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform())));
    return steps < STEPS_MAX - 1 ? (long)steps : STEPS_MAX - 1;
}

__attribute__((noipa)) static struct block *law_allocate(void) { return malloc(64); }

static void end_all(struct block **list) {
    for (struct block *block = *list, *next; block; block = next) {
        next = block->next;
        lifetimes_ns[ended++] = now_ns() - block->birth_ns;
        free(block);
    }
    *list = NULL;
}

static int compare(const void *left, const void *right) {
    long difference = *(const long *)left - *(const long *)right;
    return (difference > 0) - (difference < 0);
}

int main(int argc, char **argv) {
    long count = atol(argv[2]);
    for (long step = 0; step < count; step++) {
        end_all(&due[step % STEPS_MAX]);
        struct block *block = law_allocate();
        struct block **list = &due[(step + steps_of(argv[1])) % STEPS_MAX];
        block->birth_ns = now_ns();
        block->next = *list;
        *list = block;
    }
    if (argc > 3 && !strcmp(argv[3], "finish"))
        for (long step = 0; step < STEPS_MAX; step++) end_all(&due[(count + step) % STEPS_MAX]);
    qsort(lifetimes_ns, (size_t)ended, sizeof *lifetimes_ns, compare);
    printf("%ld %ld %ld\n", lifetimes_ns[ended / 2], lifetimes_ns[ended / 10 * 9],
           lifetimes_ns[ended / 100 * 99]);
    return 0;
}
