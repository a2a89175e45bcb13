// Loads each library that it is given, calls its plugin_run and closes it before the next.
//
// Truth: what plugin_run of each library says. Prints whether all had the same address.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *first = NULL;
    int are_equal = 1;
    for (int index = 1; index < argc; index++) {
        void *handle = dlopen(argv[index], RTLD_NOW);
        if (!handle) {
            printf("%s\n", dlerror());
            return 9;
        }
        void (*run)(void) = (void (*)(void))dlsym(handle, "plugin_run");
        Dl_info info;
        if (!run || !dladdr((void *)run, &info)) return 8;
        if (!first) first = info.dli_fbase;
        are_equal &= first == info.dli_fbase;
        run();
        dlclose(handle);
    }
    puts(are_equal ? "same address" : "different addresses");
    return 0;
}
