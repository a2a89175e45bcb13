// Times a malloc and its free: `pair THREADS BUDGET_MS` prints one line a size with the
// nanoseconds of a pair in the best of many batches, of the slowest thread.
//
// A batch is long enough to hold its share of samples (8 at 64 bytes and 512 KiB) and short
// enough that some batches of a noisy machine are left alone.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH_PAIRS = 1 << 16, MOST_THREADS = 16 };

static const size_t sizes[] = {16, 64, 256, 1024};
enum { SIZES = sizeof sizes / sizeof *sizes };

struct worker {
    pthread_t thread;
    double best_ns[SIZES];
};

static long budget_ns;
static pthread_barrier_t barrier;

static long long now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static double batch_ns(size_t size) {
    long long begin = now_ns();
    for (int left = BATCH_PAIRS; left > 0; left--) {
        void *volatile block = malloc(size);
        free(block);
    }
    return (double)(now_ns() - begin) / BATCH_PAIRS;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    for (int index = 0; index < SIZES; index++) {
        pthread_barrier_wait(&barrier);
        long long end = now_ns() + budget_ns;
        double best = batch_ns(sizes[index]);
        do {
            double batch = batch_ns(sizes[index]);
            best = batch < best ? batch : best;
        } while (now_ns() < end);
        worker->best_ns[index] = best;
    }
    return NULL;
}

int main(int count, char **arguments) {
    int threads = count == 3 ? atoi(arguments[1]) : 0;
    if (threads < 1 || threads > MOST_THREADS)
        return 2;
    budget_ns = atol(arguments[2]) * 1000000;
    struct worker workers[MOST_THREADS];
    pthread_barrier_init(&barrier, NULL, threads);
    // The first worker is the main thread: one thread must mean a process without threads.
    for (int index = 1; index < threads; index++)
        pthread_create(&workers[index].thread, NULL, work, &workers[index]);
    work(&workers[0]);
    for (int index = 1; index < threads; index++)
        pthread_join(workers[index].thread, NULL);
    for (int size = 0; size < SIZES; size++) {
        double slowest = 0;
        for (int index = 0; index < threads; index++)
            if (workers[index].best_ns[size] > slowest)
                slowest = workers[index].best_ns[size];
        printf("%zu %.3f\n", sizes[size], slowest);
    }
}
