// A server in small, after the idea of Larson and Krishnan (1998): `larson THREADS GENERATIONS`.
//
// Each thread replaces random blocks of 8 to 1000 bytes in an array, then hands the array to a
// successor and ends, so that most blocks are freed by another thread than the one that made them.
// Prints a sum of the contents, and on stderr the replacements in a second.
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BLOCKS = 1000, REPLACEMENTS = 50000, SMALLEST = 8, LARGEST = 1000, MOST_THREADS = 16 };

struct shop {
    unsigned char *blocks[BLOCKS];
    unsigned long random, sum;
    int generations_left;
};

static sem_t closed;

static void *generation(void *argument);

static void hand_over(struct shop *shop) {
    pthread_t successor;
    pthread_create(&successor, NULL, generation, shop);
    pthread_detach(successor);
}

static unsigned long draw(struct shop *shop) {
    shop->random = shop->random * 6364136223846793005ul + 1442695040888963407ul;
    return shop->random >> 33;
}

static void *generation(void *argument) {
    struct shop *shop = argument;
    for (int left = REPLACEMENTS; left > 0; left--) {
        unsigned char **place = &shop->blocks[draw(shop) % BLOCKS];
        if (*place)
            shop->sum += **place;
        free(*place);
        *place = malloc(SMALLEST + draw(shop) % (LARGEST - SMALLEST + 1));
        **place = (unsigned char)left;
    }
    if (--shop->generations_left > 0)
        hand_over(shop);
    else
        sem_post(&closed);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = count == 3 ? atoi(arguments[1]) : 0;
    if (threads < 1 || threads > MOST_THREADS)
        return 2;
    int generations = atoi(arguments[2]);
    struct shop *shops = calloc(threads, sizeof *shops);
    sem_init(&closed, 0, 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int index = 0; index < threads; index++) {
        shops[index].random = index + 1;
        shops[index].generations_left = generations;
        hand_over(&shops[index]);
    }
    unsigned long sum = 0;
    for (int index = 0; index < threads; index++)
        sem_wait(&closed);
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (int index = 0; index < threads; index++) {
        sum += shops[index].sum;
        for (int block = 0; block < BLOCKS; block++)
            free(shops[index].blocks[block]);
    }
    free(shops);
    double seconds = end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9;
    printf("%lu\n", sum);
    fprintf(stderr, "%.0f\n", (double)threads * generations * REPLACEMENTS / seconds);
}
