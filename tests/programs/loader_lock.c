// One thread loads and closes a library and allocates in a loop, while another allocates inside
// a callback of dl_iterate_phdr, where it holds the lock of the loader.
//
// Truth: ends; in_callback 2,000 blocks begun and ended; between_loads 300 begun and ended.
// The first argument is the library.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP __attribute__((noipa))

static const char *library;
static int calls;

KEEP static void *load(void *unused) {
    for (int round = 0; round < 300; round++) {
        void *handle = dlopen(library, RTLD_NOW);
        if (!handle) exit(9);
        void *volatile block = malloc(200);
        free(block);
        dlclose(handle);
    }
    return unused;
}

KEEP static int in_callback(struct dl_phdr_info *info, size_t size, void *unused) {
    (void)info, (void)size, (void)unused;
    if (calls >= 2000) return 1;
    void *volatile block = malloc(100);
    free(block);
    calls++;
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    library = argv[1];
    pthread_t loader;
    pthread_create(&loader, NULL, load, NULL);
    while (calls < 2000) dl_iterate_phdr(in_callback, NULL);
    pthread_join(loader, NULL);
    printf("%d calls\n", calls);
    return 0;
}
