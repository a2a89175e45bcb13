// Four threads allocate and free one block at a time, for ever; thread 0 writes a line "tick N"
// every 2,000 rounds with the longest time that a round of its own took, in microseconds.
// Ends when its standard input ends.
//
// Truth: no more than four blocks of churn_block are alive at any moment, kill or no kill.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static atomic_int is_over;

__attribute__((noipa)) static void *churn_block(size_t size) { return malloc(size); }

static long now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *run(void *argument) {
    size_t number = (size_t)argument;
    long longest = 0, last = now_us(), tick = 0;
    for (unsigned long round = 1; !is_over; round++) {
        char *block = churn_block(16 + round % 200 + number);
        block[0] = 1;
        free(block);
        if (number != 0) continue;
        long now = now_us();
        if (now - last > longest) longest = now - last;
        last = now;
        if (round % 2000 == 0) {
            char line[64];
            int length = snprintf(line, sizeof line, "tick %ld longest %ld\n", ++tick, longest);
            if (write(1, line, (size_t)length) != length) _exit(8);
            last = now_us();
        }
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    char byte;
    for (size_t index = 0; index < 4; index++) pthread_create(&threads[index], NULL, run, (void *)index);
    while (read(0, &byte, 1) > 0) {}
    is_over = 1;
    for (int index = 0; index < 4; index++) pthread_join(threads[index], NULL);
    return 0;
}
