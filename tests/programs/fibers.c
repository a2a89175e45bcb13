// 50 ucontext fibers with stacks of 16 KiB take turns 20 times, each turn allocating once.
//
// Truth: 1,000 blocks through in_fiber, all alive. A guard page below each stack is never touched.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { FIBERS = 50, TURNS = 20, STACK = 16 * 1024, GUARD = 4096 };

static ucontext_t scheduler, fibers[FIBERS];
static void *volatile kept[FIBERS * TURNS];
static volatile int used;

__attribute__((noipa)) static void in_fiber(void) { kept[used++] = malloc(70); }

static void run(int number) {
    for (int turn = 0; turn < TURNS; turn++) {
        in_fiber();
        swapcontext(&fibers[number], &scheduler);
    }
}

int main(void) {
    for (int index = 0; index < FIBERS; index++) {
        char *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE)) return 9;
        getcontext(&fibers[index]);
        fibers[index].uc_stack.ss_sp = memory + GUARD;
        fibers[index].uc_stack.ss_size = STACK;
        fibers[index].uc_link = &scheduler;
        makecontext(&fibers[index], (void (*)(void))run, 1, index);
    }
    for (int turn = 0; turn < TURNS; turn++)
        for (int index = 0; index < FIBERS; index++) swapcontext(&scheduler, &fibers[index]);
    printf("%d\n", used);
    return used != FIBERS * TURNS;
}
