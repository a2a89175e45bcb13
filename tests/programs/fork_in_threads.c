// Forks while four threads allocate and free without a pause.
//
// Truth: the child allocates 5,000 blocks through child_allocate and ends by _exit; the parent
// allocates 1,000 through parent_allocate after the child has ended, and none through
// child_allocate. churn_pairs leaves nothing alive in the parent.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noipa))

static atomic_int is_over;
static atomic_int started;
static void *volatile kept[6000];

KEEP static void *churn_pairs(void *unused) {
    started++;
    while (!is_over) {
        char *volatile block = malloc(40);
        block[0] = 1;
        free(block);
    }
    return unused;
}

KEEP static void child_allocate(void) {
    for (int index = 0; index < 5000; index++) kept[index] = malloc(32);
}

KEEP static void parent_allocate(void) {
    for (int index = 0; index < 1000; index++) kept[index] = malloc(32);
}

int main(void) {
    pthread_t threads[4];
    for (int index = 0; index < 4; index++)
        pthread_create(&threads[index], NULL, churn_pairs, NULL);
    while (started < 4) sched_yield();
    pid_t child = fork();
    if (child == 0) {
        child_allocate();
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    is_over = 1;
    for (int index = 0; index < 4; index++) pthread_join(threads[index], NULL);
    parent_allocate();
    printf("status %d\n", status);
    return status != 0;
}
