// Allocates before main, in constructors of several priorities, and after it, in destructors and
// exit handlers.
//
// Truth: 30 blocks through before_main, 20 through after_main; ten of each ended.

#include <cstdlib>

#define KEEP __attribute__((noipa))

static void *volatile kept[50];
static int used;

KEEP static void before_main() {
    for (int index = 0; index < 10; index++) kept[used++] = malloc(21);
}

KEEP static void after_main() {
    for (int index = 0; index < 10; index++) kept[used++] = malloc(22);
}

__attribute__((constructor(101))) static void first() { before_main(); }
__attribute__((constructor(65000))) static void last() { before_main(); }
__attribute__((destructor)) static void end() {
    after_main();
    for (int index = 0; index < 10; index++) free(kept[index]);
    for (int index = 30; index < 40; index++) free(kept[index]);
}

struct Global {
    Global() { before_main(); }
    ~Global() { after_main(); }
};
static Global global;

int main() { return 0; }
