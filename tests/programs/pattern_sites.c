// Uses the heap in several ways, each through a function of its own.
//
// Truth: `reuse_me` makes 200,000 blocks that live for a moment; `reserve_me` grows 20 blocks from
// 16 to 32,768 bytes in 2,048 steps each, `doubled` as far by doubling; `pool_me` makes 50,000
// blocks of 24 bytes that stay; `map_me` makes 1,000 blocks of 40 MiB, more than any threshold of
// glibc, one after the other; a thread called `producer` makes 20,000 blocks in `hand_over` that
// one called `consumer` frees; `keeper` makes 2,000 blocks of 2,000 bytes that stay, with nothing
// to be said against them.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

enum { ROOM = 64, HANDED = 20000 };

static void *volatile kept[60000];
static int kept_count;
static void *ring[ROOM];
static int produced, consumed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

__attribute__((noipa)) static void *reuse_me(void) { return malloc(48); }
__attribute__((noipa)) static void *reserve_me(void *block, size_t size) {
    return realloc(block, size);
}
__attribute__((noipa)) static void *doubled(void *block, size_t size) {
    return realloc(block, size);
}
__attribute__((noipa)) static void *pool_me(void) { return malloc(24); }
__attribute__((noipa)) static void *map_me(void) { return malloc(40 << 20); }
__attribute__((noipa)) static void *hand_over(void) { return malloc(80); }
__attribute__((noipa)) static void *keeper(void) { return malloc(2000); }

static void *produce(void *unused) {
    pthread_setname_np(pthread_self(), "producer");
    for (int index = 0; index < HANDED; index++) {
        void *block = hand_over();
        pthread_mutex_lock(&lock);
        while (produced - consumed == ROOM) pthread_cond_wait(&moved, &lock);
        ring[produced++ % ROOM] = block;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void *consume(void *unused) {
    pthread_setname_np(pthread_self(), "consumer");
    // A thread is known from its first sample on.
    kept[kept_count++] = malloc(10);
    for (int index = 0; index < HANDED; index++) {
        pthread_mutex_lock(&lock);
        while (produced == consumed) pthread_cond_wait(&moved, &lock);
        void *block = ring[consumed++ % ROOM];
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
        free(block);
    }
    return unused;
}

int main(void) {
    for (int count = 0; count < 50000; count++) kept[kept_count++] = pool_me();
    for (int count = 0; count < 2000; count++) kept[kept_count++] = keeper();
    for (int count = 0; count < 200000; count++) free(reuse_me());
    for (int count = 0; count < 20; count++) {
        void *stepped = NULL, *factored = NULL;
        for (size_t size = 16; size <= 32768; size += 16) stepped = reserve_me(stepped, size);
        for (size_t size = 16; size <= 32768; size *= 2) factored = doubled(factored, size);
        free(stepped);
        free(factored);
    }
    for (int count = 0; count < 1000; count++) free(map_me());
    pthread_t producer, consumer;
    pthread_create(&producer, NULL, produce, NULL);
    pthread_create(&consumer, NULL, consume, NULL);
    pthread_join(producer, NULL);
    pthread_join(consumer, NULL);
    return 0;
}
