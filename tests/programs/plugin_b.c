// The twin of plugin_a, of the same size: plugin_b_allocate makes as many blocks of 40 bytes as it
// is asked for, and plugin_run makes 2,000.

#include <stdlib.h>

static void *volatile last;

__attribute__((noipa)) void plugin_b_allocate(int count) {
    for (int index = 0; index < count; index++) last = malloc(40);
}

__attribute__((noipa)) void plugin_run(void) { plugin_b_allocate(2000); }
