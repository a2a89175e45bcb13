// Four threads move blocks by realloc, so that one thread is given the address that another has
// just left.
//
// Truth: 4 x 5,001 blocks begun through move_blocks, as many ended, none alive.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((noipa)) static void *move_blocks(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    char *block = malloc(100);
    block[0] = (char)seed;
    for (int round = 0; round < 5000; round++) {
        seed = seed * 1103515245 + 12345;
        block = realloc(block, 16 + (seed >> 16) % 4096);
    }
    size_t wrong = block[0] != (char)(size_t)argument;
    free(block);
    return (void *)wrong;
}

int main(void) {
    pthread_t threads[4];
    size_t wrong = 0;
    for (size_t index = 0; index < 4; index++)
        pthread_create(&threads[index], NULL, move_blocks, (void *)(index + 1));
    for (int index = 0; index < 4; index++) {
        void *result;
        pthread_join(threads[index], &result);
        wrong += (size_t)result;
    }
    printf("%zu wrong\n", wrong);
    return wrong != 0;
}
