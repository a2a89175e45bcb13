// A library that allocates: plugin_a_allocate makes as many blocks of 40 bytes as it is asked for,
// and plugin_run makes 1,000.

#include <stdlib.h>

static void *volatile last;

__attribute__((noipa)) void plugin_a_allocate(int count) {
    for (int index = 0; index < count; index++) last = malloc(40);
}

__attribute__((noipa)) void plugin_run(void) { plugin_a_allocate(1000); }
