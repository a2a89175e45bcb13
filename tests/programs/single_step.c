// The processor traps after each instruction of a function that calls a library for the first time,
// through its PLT and the loader's resolver; the handler of each trap allocates.
//
// Truth: every block through in_handler was allocated while in stepped, called by main, wherever
// in a prologue, in a PLT stub or in the loader the trap was.

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

enum { MOST = 100000, TRAP_FLAG = 0x100 };

int plugin_stepped(int number);

static void *volatile kept[MOST];
static volatile int used, is_done;

__attribute__((noipa)) static void in_handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    if (used < MOST) kept[used++] = malloc(24);
    greg_t *flags = &((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL];
    *flags = is_done ? *flags & ~TRAP_FLAG : *flags | TRAP_FLAG;
}

__attribute__((noipa)) static int stepped(void) {
    __asm__ volatile("int3");
    int sum = plugin_stepped(3) + plugin_stepped(4);
    is_done = 1;
    return sum;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = in_handler, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGTRAP, &action, NULL)) return 9;
    printf("%d\n", stepped());
    return used < 1000 || used == MOST;
}
