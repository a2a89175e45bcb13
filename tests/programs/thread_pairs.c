// ARGUMENT threads (4 if none) allocate and free 20,000 blocks each, one at a time.
//
// Truth: ARGUMENT x 20,000 begun and ended through churn_pairs, none alive.

#include <pthread.h>
#include <stdlib.h>

__attribute__((noipa)) static void *churn_pairs(void *unused) {
    for (int round = 0; round < 20000; round++) {
        char *volatile block = malloc(24 + round % 100);
        block[0] = 1;
        free(block);
    }
    return unused;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 4;
    pthread_t threads[64];
    for (int index = 0; index < count; index++)
        pthread_create(&threads[index], NULL, churn_pairs, NULL);
    for (int index = 0; index < count; index++) pthread_join(threads[index], NULL);
    return 0;
}
