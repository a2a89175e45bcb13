// Three functions, compiled without unwind data; the test says whether with frame pointers.
//
// Truth: 10 blocks through in_leaf, called by in_the_middle, called by main. Without frame pointers
// nobody can know the callers.

#include <stdlib.h>

#define KEEP __attribute__((noipa))

static void *volatile kept[10];
static volatile int used;

KEEP static void fill(char *room, int number) { room[number] = 1; }

KEEP static void in_leaf(void) {
    kept[used] = malloc(100);
    used++;
}

KEEP static void in_the_middle(int number) {
    char room[300];
    in_leaf();
    fill(room, number);
}

int main(void) {
    for (int round = 0; round < 10; round++) in_the_middle(round);
    return used != 10;
}
