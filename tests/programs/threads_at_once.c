// ARGUMENT threads (2,000 if none) with small stacks are alive together and allocate 10 blocks each.
//
// Truth: ARGUMENT x 10 blocks through thread_blocks, all ended. Prints the number of threads.

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int present, is_over;

__attribute__((noipa)) static void *thread_blocks(void *unused) {
    void *volatile blocks[10];
    for (int index = 0; index < 10; index++) blocks[index] = malloc(30);
    pthread_mutex_lock(&lock);
    present++;
    pthread_cond_broadcast(&changed);
    while (!is_over) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    for (int index = 0; index < 10; index++) free(blocks[index]);
    return unused;
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 2000;
    pthread_t *threads = malloc(sizeof *threads * (size_t)count);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (int index = 0; index < count; index++)
        if (pthread_create(&threads[index], &attributes, thread_blocks, NULL)) return 9;
    pthread_mutex_lock(&lock);
    while (present < count) pthread_cond_wait(&changed, &lock);
    is_over = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int index = 0; index < count; index++) pthread_join(threads[index], NULL);
    printf("%d threads\n", count);
    return 0;
}
