// Two named threads allocate and keep blocks, one after the other, some time apart.
//
// Truth: thread "early" keeps 1,000 blocks of 100 bytes from keep_small and 10 of 50,000 from
// keep_large, and frees 500 more of 100 bytes; at least 300 ms later thread "late" keeps 2,000 of
// 100 bytes from keep_small.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static void *kept[4096];
static int count;

__attribute__((noipa)) static void keep_small(int blocks) {
    for (int index = 0; index < blocks; index++) kept[count++] = malloc(100);
}

__attribute__((noipa)) static void keep_large(int blocks) {
    for (int index = 0; index < blocks; index++) kept[count++] = malloc(50000);
}

static void *early(void *unused) {
    pthread_setname_np(pthread_self(), "early");
    keep_small(1500);
    for (int index = 0; index < 500; index++) free(kept[--count]);
    keep_large(10);
    return unused;
}

static void *late(void *unused) {
    pthread_setname_np(pthread_self(), "late");
    keep_small(2000);
    return unused;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, early, NULL);
    pthread_join(thread, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    pthread_create(&thread, NULL, late, NULL);
    pthread_join(thread, NULL);
    return 0;
}
