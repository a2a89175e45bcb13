// Nothing but malloc and free, under a call stack of a given depth: `depth FRAMES PAIRS`.
//
// Blocks of mixed sizes live in a small window, as in a program whose objects live shortly.
// Prints a sum that depends on every block's content.
#include <stdio.h>
#include <stdlib.h>

enum { WINDOW = 64, LARGEST = 256 };

static unsigned long loop(long pairs) {
    unsigned char *window[WINDOW] = {0};
    unsigned long sum = 0, random = 1;
    for (long pair = 0; pair < pairs; pair++) {
        random = random * 6364136223846793005ul + 1442695040888963407ul;
        unsigned char **place = &window[pair % WINDOW];
        if (*place)
            sum += **place;
        free(*place);
        *place = malloc(1 + (random >> 33) % LARGEST);
        **place = (unsigned char)pair;
    }
    for (int index = 0; index < WINDOW; index++)
        free(window[index]);
    return sum;
}

// The addition after the call keeps the compiler from making a loop of the recursion.
static unsigned long __attribute__((noinline, noclone)) descend(long frames, long pairs) {
    if (frames <= 1)
        return loop(pairs);
    return descend(frames - 1, pairs) + (unsigned long)frames;
}

int main(int count, char **arguments) {
    if (count != 3)
        return 2;
    printf("%lu\n", descend(atol(arguments[1]), atol(arguments[2])));
}
