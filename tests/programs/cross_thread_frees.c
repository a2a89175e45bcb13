// One thread allocates 20,000 blocks, the main thread frees them while more are coming.
//
// Truth: 20,000 begun through produce_block, 20,000 ended, all by another thread, none alive.

#include <pthread.h>
#include <stdlib.h>

enum { ROOM = 64, BLOCKS = 20000 };
static void *ring[ROOM];
static int produced, consumed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;

__attribute__((noipa)) static void *produce_block(void) { return malloc(80); }

static void *produce(void *unused) {
    for (int index = 0; index < BLOCKS; index++) {
        void *block = produce_block();
        pthread_mutex_lock(&lock);
        while (produced - consumed == ROOM) pthread_cond_wait(&moved, &lock);
        ring[produced++ % ROOM] = block;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

int main(void) {
    pthread_t producer;
    pthread_create(&producer, NULL, produce, NULL);
    for (int index = 0; index < BLOCKS; index++) {
        pthread_mutex_lock(&lock);
        while (produced == consumed) pthread_cond_wait(&moved, &lock);
        void *block = ring[consumed++ % ROOM];
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&lock);
        free(block);
    }
    pthread_join(producer, NULL);
    return 0;
}
