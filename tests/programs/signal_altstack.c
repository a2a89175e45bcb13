// A signal handler on an alternate stack of 16 KiB allocates, 1,000 times, interrupting a function
// that is not inside the allocator.
//
// Truth: 1,000 blocks through in_handler, all alive, and their stacks go on to interrupted and
// main where the signal frame can be crossed.

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEEP __attribute__((noipa))

static char stack[16 * 1024];
static void *volatile kept[1000];
static volatile int used;

KEEP static void in_handler(int signal) {
    (void)signal;
    kept[used++] = malloc(90);
}

KEEP static void interrupted(void) {
    // The raw call is what is interrupted: no function of libc is on the stack.
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1);
}

int main(void) {
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = in_handler, .sa_flags = SA_ONSTACK};
    if (sigaltstack(&alternate, NULL) || sigaction(SIGUSR1, &action, NULL)) return 9;
    for (int round = 0; round < 1000; round++) interrupted();
    printf("%d\n", used);
    return used != 1000;
}
