// Leaves 1,000 deep stacks by longjmp, allocating before and after.
//
// Truth: 1,000 blocks through before_jump and 1,000 through after_jump; no stack of after_jump
// has a frame of before_jump.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP __attribute__((noipa))

static jmp_buf back;
static void *volatile kept[2000];
static volatile int used;

KEEP static int before_jump(int depth) {
    if (depth == 0) {
        kept[used++] = malloc(40);
        if (used > 0) longjmp(back, 1);
        return 0;
    }
    return before_jump(depth - 1) + 1;
}

KEEP static void after_jump(void) { kept[used++] = malloc(60); }

int main(void) {
    for (volatile int round = 0; round < 1000; round++) {
        if (setjmp(back) == 0) before_jump(20);
        else after_jump();
    }
    printf("%d\n", used);
    return 0;
}
