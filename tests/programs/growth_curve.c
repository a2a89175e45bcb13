// One curve of the heap, drawn with blocks of 1 KiB in 200 steps of some milliseconds each:
//
//   growth_curve linear|saw|step|returns|cache|late STEP_MS
//
// linear: 10 blocks a step, kept. saw: 10 blocks a step, all freed every 20 steps.
// step: 1,000 blocks after 100 steps, kept. returns: the same, freed after 150.
// cache: 100 blocks a step until there are 2,000, then one is freed for each that comes.
// late: 1,000 blocks, then from step 100 on 20 a step, kept.
// Every step also allocates and frees 50 blocks in `churn`.
// At the end it writes "done" and waits for the end of its standard input.
//
// Truth: only linear and late grow up to the end, late from the middle on; blocks that stay are of
// `kept`, and 10 or 20 KiB a step of them.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 200, SIZE = 1024, MOST = 20000 };

static char *blocks[MOST];
static int first, count;

__attribute__((noipa)) static void kept(int blocks_wanted) {
    for (int index = 0; index < blocks_wanted; index++) {
        blocks[count] = malloc(SIZE);
        memset(blocks[count++], 1, SIZE);
    }
}

__attribute__((noipa)) static void drop(int blocks_wanted) {
    for (int index = 0; index < blocks_wanted; index++) free(blocks[first++]);
}

__attribute__((noipa)) static void churn(void) {
    for (int index = 0; index < 50; index++) {
        char *block = malloc(SIZE);
        block[0] = 1;
        free(block);
    }
}

static void step(const char *curve, int number) {
    if (strcmp(curve, "linear") == 0) kept(10);
    if (strcmp(curve, "saw") == 0) {
        kept(10);
        if (number % 20 == 19) drop(count - first);
    }
    if (strcmp(curve, "step") == 0 && number == 100) kept(1000);
    if (strcmp(curve, "returns") == 0 && number == 100) kept(1000);
    if (strcmp(curve, "returns") == 0 && number == 150) drop(1000);
    if (strcmp(curve, "cache") == 0 && number < 100) {
        kept(100);
        if (count - first > 2000) drop(count - first - 2000);
    }
    if (strcmp(curve, "late") == 0) kept(number == 0 ? 1000 : number >= 100 ? 20 : 0);
}

/* Waits for the end of a step, so that a step that took too long does not delay the others. */
static void wait_until(struct timespec start, long ms) {
    struct timespec end = start;
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    long step_ms = atol(argv[2]);
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int number = 0; number < STEPS; number++) {
        step(argv[1], number);
        churn();
        wait_until(start, (number + 1) * step_ms);
    }
    if (write(1, "done\n", 5) != 5) return 3;
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
