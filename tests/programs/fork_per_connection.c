// Serves 100 "connections": forks, works in the child, ends the child through exit and atexit
// handlers that allocate, while three threads of the parent allocate all the time.
//
// Truth: never a deadlock, every child ends with status 3.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int is_over;

static void *work(void *unused) {
    while (!is_over) {
        void *volatile block = malloc(100);
        free(block);
    }
    return unused;
}

static void at_end(void) {
    void *volatile block = malloc(500);
    free(block);
}

int main(void) {
    pthread_t threads[3];
    int served = 0;
    atexit(at_end);
    for (int index = 0; index < 3; index++) pthread_create(&threads[index], NULL, work, NULL);
    for (int index = 0; index < 100; index++) {
        pid_t child = fork();
        if (child == 0) {
            for (int round = 0; round < 50; round++) free(malloc(64));
            exit(3);
        }
        int status = -1;
        waitpid(child, &status, 0);
        served += WIFEXITED(status) && WEXITSTATUS(status) == 3;
    }
    is_over = 1;
    for (int index = 0; index < 3; index++) pthread_join(threads[index], NULL);
    printf("%d served\n", served);
    return served != 100;
}
