// The first instruction of a function faults; the handler of the signal allocates and goes on behind
// the instruction. The byte before it belongs to another function.
//
// Truth: 10 blocks through in_handler, above faults_at_once, called by main.

#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

static void *volatile kept[10];
static volatile int used;

void faults_at_once(void *nowhere);

// ud2 is two bytes long; the function before it ends with another frame.
__asm__(".text\n"
        ".type has_a_frame, @function\n"
        "has_a_frame:\n"
        ".cfi_startproc\n"
        "sub $200, %rsp\n"
        ".cfi_def_cfa_offset 208\n"
        "jmp .\n"
        ".cfi_endproc\n"
        ".size has_a_frame, . - has_a_frame\n"
        ".globl faults_at_once\n"
        ".type faults_at_once, @function\n"
        "faults_at_once:\n"
        ".cfi_startproc\n"
        "ud2\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size faults_at_once, . - faults_at_once\n");

__attribute__((noipa)) static void in_handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    kept[used++] = malloc(90);
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

int main(void) {
    struct sigaction action = {.sa_sigaction = in_handler, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGILL, &action, NULL)) return 9;
    for (int round = 0; round < 10; round++) faults_at_once(NULL);
    return used != 10;
}
