// 100 threads, one after the other, hold memory in thread-local objects whose destructors free it
// and allocate once more while the thread ends.
//
// Truth: 100 x 10 blocks through fill_local, all ended; 100 through in_destructor, all alive.

#include <cstdio>
#include <cstdlib>
#include <pthread.h>

static void *volatile late[100];
static int ended;

__attribute__((noipa)) static void in_destructor() { late[ended++] = malloc(44); }

struct Local {
    void *blocks[10];
    ~Local() {
        for (void *block : blocks) free(block);
        in_destructor();
    }
};

static thread_local Local local;

__attribute__((noipa)) static void fill_local() {
    for (void *&block : local.blocks) block = malloc(33);
}

static void *run(void *unused) {
    // The first use registers the destructor, for which the C library allocates.
    local.blocks[0] = nullptr;
    fill_local();
    return unused;
}

int main() {
    for (int index = 0; index < 100; index++) {
        pthread_t thread;
        pthread_create(&thread, nullptr, run, nullptr);
        pthread_join(thread, nullptr);
    }
    std::printf("%d\n", ended);
    return 0;
}
