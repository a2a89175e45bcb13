// Frees 100 blocks by the sized functions of C23 where the process has them, else by free.
//
// Truth: 200 blocks begun through sized_pairs, 200 ended.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void sized(void *, size_t);
typedef void aligned_sized(void *, size_t, size_t);

__attribute__((noipa)) static void sized_pairs(sized *by_size, aligned_sized *by_alignment) {
    for (int round = 0; round < 100; round++) {
        void *plain = malloc(48), *aligned = aligned_alloc(64, 128);
        if (by_size) by_size(plain, 48);
        else free(plain);
        if (by_alignment) by_alignment(aligned, 64, 128);
        else free(aligned);
    }
}

int main(void) {
    sized_pairs((sized *)dlsym(RTLD_DEFAULT, "free_sized"),
                (aligned_sized *)dlsym(RTLD_DEFAULT, "free_aligned_sized"));
    puts("done");
    return 0;
}
