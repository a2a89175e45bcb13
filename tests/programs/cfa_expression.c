// Calls through a function in assembly that keeps its old stack pointer in memory and uses the frame
// pointer for a number, as libraries of ciphers do: its unwind data is an expression that reads
// memory.
//
// Truth: 10 blocks through in_leaf, called by through_memory, called by main.

#include <stdlib.h>

static void *volatile kept[10];
static volatile int used;

void through_memory(void (*then)(void));

// 0x0f: the canonical frame address is an expression of five bytes: breg7+24, deref, plus 8.
__asm__(".text\n"
        ".globl through_memory\n"
        ".type through_memory, @function\n"
        "through_memory:\n"
        ".cfi_startproc\n"
        "mov %rsp, %rax\n"
        ".cfi_def_cfa_register rax\n"
        "push %rbp\n"
        ".cfi_offset rbp, -16\n"
        "mov $77, %ebp\n"
        "sub $128, %rsp\n"
        "and $-64, %rsp\n"
        "mov %rax, 24(%rsp)\n"
        ".cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8\n"
        "call *%rdi\n"
        "mov 24(%rsp), %rax\n"
        ".cfi_def_cfa rax, 8\n"
        "mov -8(%rax), %rbp\n"
        ".cfi_restore rbp\n"
        "mov %rax, %rsp\n"
        ".cfi_def_cfa rsp, 8\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size through_memory, . - through_memory\n");

__attribute__((noipa)) static void in_leaf(void) { kept[used++] = malloc(40); }

int main(void) {
    for (int round = 0; round < 10; round++) through_memory(in_leaf);
    return used != 10;
}
