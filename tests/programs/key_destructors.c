// Destructors of pthread keys allocate, set the key again and so run in several rounds, after
// most of the thread is gone already.
//
// Truth: 100 threads x 3 rounds: 300 blocks of 55 bytes through in_key_destructor, 200 ended.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_key_t key;
static int rounds;

__attribute__((noipa)) static void *in_key_destructor(void) { return malloc(55); }

static void destroy(void *value) {
    static __thread int round;
    void *next = in_key_destructor();
    rounds++;
    if (round > 0) free(value);
    if (++round < 3) pthread_setspecific(key, next);
}

static void *run(void *unused) {
    pthread_setspecific(key, &key);
    return unused;
}

int main(void) {
    pthread_key_create(&key, destroy);
    for (int index = 0; index < 100; index++) {
        pthread_t thread;
        pthread_create(&thread, NULL, run, NULL);
        pthread_join(thread, NULL);
    }
    printf("%d\n", rounds);
    return 0;
}
