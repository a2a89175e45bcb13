// A call that never returns is the last instruction of its function, so that the address it would
// return to is the first of the next function.
//
// Truth: 10 blocks through give_up, called by call_is_last, called by main. Prints that the return
// address is indeed the neighbour's.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf back;
static void *volatile kept[10];
static volatile int used;
static void *volatile returns_to;

__attribute__((noipa)) static void fill(char *room, int number) { room[number] = 1; }

__attribute__((noipa, noreturn)) static void give_up(void) {
    returns_to = __builtin_return_address(0);
    kept[used++] = malloc(70);
    longjmp(back, 1);
}

__attribute__((noipa, noreturn)) static void call_is_last(int number) {
    char room[200];
    fill(room, number);
    give_up();
}

// Its first instruction is reached with the bare frame of a call, which is another one than that of
// call_is_last.
__attribute__((noipa)) static int neighbour(int number) { return number + 1; }

int main(void) {
    for (volatile int round = 0; round < 10; round++)
        if (!setjmp(back)) call_is_last(neighbour(round));
    puts(returns_to == (void *)neighbour ? "into the neighbour" : "into the same function");
    return used != 10;
}
