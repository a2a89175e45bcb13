// Loads libplugin_a.so by its bare name, which only the RUNPATH of this executable can find.
//
// Truth: the library is found and allocates 1,000 blocks through plugin_a_allocate.

#include <dlfcn.h>
#include <stdio.h>

int main(void) {
    void *handle = dlopen("libplugin_a.so", RTLD_NOW);
    if (!handle) {
        printf("%s\n", dlerror());
        return 9;
    }
    void (*run)(void) = (void (*)(void))dlsym(handle, "plugin_run");
    run();
    puts("found");
    return 0;
}
