// A library that is preloaded beside a real program and leaks one in a hundred of its blocks.
//
// Its thread works like a request handler: blocks live for some milliseconds, and one in a hundred
// is forgotten.

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCKS = 64, SIZE = 256 };

static void *volatile forgotten;

__attribute__((noipa)) static void *plugin_request(void) { return malloc(SIZE); }

static void *work(void *none) {
    static void *blocks[BLOCKS];
    for (unsigned long number = 1;; number++) {
        int place = (int)(number % BLOCKS);
        if (number % 100 == 0) {
            forgotten = blocks[place];
        } else {
            free(blocks[place]);
        }
        blocks[place] = plugin_request();
        if (number % 16 == 0) usleep(1000);
    }
    return none;
}

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_detach(thread);
}
