// Holds GIB gibibytes in blocks of 64 KiB to 1 MiB that are never written to: address space only,
// so that a small machine can show what a profiler needs for a large heap.
#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (count != 2)
        return 2;
    unsigned long long left = strtoull(arguments[1], NULL, 10) << 30, blocks = 0;
    unsigned long random = 1;
    while (left > 0) {
        random = random * 6364136223846793005ul + 1442695040888963407ul;
        size_t size = (64 << 10) + (random >> 33) % (960 << 10);
        size = size < left ? size : left;
        // The reference is lost on purpose: the block stays live until the process ends.
        void *volatile block = malloc(size);
        if (!block)
            return 1;
        left -= size;
        blocks++;
    }
    printf("%llu\n", blocks);
}
