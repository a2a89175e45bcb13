// A function whose last act is a call, which the compiler makes a jump: its frame is gone by then.
//
// Truth: 10 blocks through in_leaf, whose return address is in caller, called by main; jumps_on
// is on no stack.

#include <stdlib.h>

#define KEEP __attribute__((noipa))

static void *volatile kept[10];
static volatile int used;

KEEP static void fill(char *room, int number) { room[number] = 1; }

KEEP static void in_leaf(int number) {
    kept[used] = malloc(80 + number);
    used++;
}

KEEP static void jumps_on(int number) { in_leaf(number + 1); }

KEEP static void caller(int number) {
    char room[100];
    jumps_on(number);
    fill(room, number);
}

int main(void) {
    for (int round = 0; round < 10; round++) caller(round);
    return used != 10;
}
