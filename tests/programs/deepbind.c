// Exchanges blocks with a library that was loaded with RTLD_DEEPBIND: each side frees what the
// other has allocated, 1,000 times, and the host allocates at the same addresses again.
//
// Truth: ends well; 2,000 blocks begun through host_make. Their frees by the plugin are out of
// sight of any preloaded library. The first argument is the plugin.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((noipa)) static void *host_make(void) { return malloc(64); }

int main(int argc, char **argv) {
    void *handle = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND) : NULL;
    if (!handle) return 9;
    void *(*plugin_make)(void) = (void *(*)(void))dlsym(handle, "plugin_make");
    void (*plugin_release)(void *) = (void (*)(void *))dlsym(handle, "plugin_release");
    for (int round = 0; round < 1000; round++) {
        void *made_by_plugin = plugin_make();
        void *made_by_host = host_make();
        plugin_release(made_by_host);
        free(made_by_plugin);
        free(host_make());
    }
    puts("exchanged");
    return 0;
}
