// Blocks SIGTERM in its only thread, allocates, sends itself 100 signals one by one and waits for
// each: a helper thread of a profiler would get them, and end the process.
//
// Truth: 100 received; the process has one thread before and after.

#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int threads(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

int main(void) {
    int received = 0;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int round = 0; round < 100; round++) {
        void *volatile block = malloc(1000);
        int signal = 0;
        kill(getpid(), SIGTERM);
        sigwait(&set, &signal);
        received += signal == SIGTERM;
        free(block);
    }
    printf("%d received, %d thread\n", received, threads());
    return 0;
}
