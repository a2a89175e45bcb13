// The longest that a malloc and its free took: `stall SECONDS` prints two lines of nanoseconds, the
// longest pair of all, and the longest that was not only waiting for a core.
//
// The first tells what a user of the program could feel. The second leaves out pairs in which the
// kernel took the core away and the program gave it up nowhere: a busy machine causes those, and
// not the profiler. A wait for a reader gives the core up, and stays in both.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { LARGEST = 4096, WORTH_ASKING_NS = 20000 };

static long long now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

struct switches {
    long taken, given_up;
};

static struct switches switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (struct switches){usage.ru_nivcsw, usage.ru_nvcsw};
}

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    unsigned long random = 1;
    long long longest = 0, longest_own = 0, time = now_ns();
    long long end = time + atoll(arguments[1]) * 1000000000LL;
    struct switches before = switches();
    while (time < end) {
        random = random * 6364136223846793005ul + 1442695040888963407ul;
        long long begin = now_ns();
        char *volatile block = malloc(1 + (random >> 33) % LARGEST);
        free(block);
        time = now_ns();
        long long pair = time - begin;
        longest = pair > longest ? pair : longest;
        if (pair <= longest_own || pair < WORTH_ASKING_NS)
            continue;
        struct switches after = switches();
        if (after.taken == before.taken || after.given_up != before.given_up)
            longest_own = pair;
        before = after;
        time = now_ns();
    }
    printf("%lld\n%lld\n", longest, longest_own);
}
