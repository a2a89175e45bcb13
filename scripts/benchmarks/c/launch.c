// Runs a program and tells what it cost: its own CPU time apart from that of every other process
// that came of it, wall time, and the most memory it had at once.
//
//   launch RESULT PRELOAD PROGRAM [ARGUMENT]...     PRELOAD "-" for none
//
// It is linked statically, so that no preload or allocator setting changes it, and it is small:
// the kernel counts a process's peak from before its exec, where it is still a copy of its parent.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long cpu_ns(const struct rusage *usage) {
    return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000LL +
           (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000LL;
}

static void become(char **arguments) {
    // Without this a benchmark that is interrupted would leave its programs running.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (strcmp(arguments[0], "-") != 0)
        setenv("LD_PRELOAD", arguments[0], 1);
    execvp(arguments[1], arguments + 1);
    perror(arguments[1]);
    _exit(127);
}

int main(int count, char **arguments) {
    if (count < 4)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Processes that outlive their parent become ours: a profiler's helpers are counted too.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    long long begin = now_ns();
    pid_t target = fork();
    if (target == 0)
        become(arguments + 2);
    struct rusage target_usage = {0}, usage, all_usage;
    int target_status = 0, status;
    for (;;) {
        pid_t ended = wait4(-1, &status, 0, &usage);
        if (ended < 0 && errno == ECHILD)
            break;
        if (ended == target) {
            target_status = status;
            target_usage = usage;
        }
    }
    long long end = now_ns();
    getrusage(RUSAGE_CHILDREN, &all_usage);
    FILE *result = fopen(arguments[1], "w");
    if (!result)
        return 2;
    fprintf(result, "%d %lld %lld %lld %ld\n", target_status, cpu_ns(&target_usage),
            cpu_ns(&all_usage), end - begin, target_usage.ru_maxrss);
    return fclose(result) ? 2 : 0;
}
