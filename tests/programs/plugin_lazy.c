// A library with a function that the loader binds by asking plugin_choose, which allocates.

#include <stdlib.h>

static void *volatile kept[10];

__attribute__((noipa)) static void chosen(void) {}

__attribute__((noipa)) static void (*plugin_choose(void))(void) {
    for (int index = 0; index < 10; index++) kept[index] = malloc(50);
    return chosen;
}

void plugin_lazy(void) __attribute__((ifunc("plugin_choose")));
