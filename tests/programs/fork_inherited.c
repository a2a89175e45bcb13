// A child frees blocks that its parent has allocated, while the parent keeps its own copies.
//
// Truth: parent 1,000 through before_fork, all alive at its end; child 300 through after_fork and
// 1,000 frees of blocks that it inherited, so that exactly its own 300 are alive there.

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noipa))

static void *volatile inherited[1000];
static void *volatile own[300];

KEEP static void before_fork(void) {
    for (int index = 0; index < 1000; index++) inherited[index] = malloc(48);
}

KEEP static void after_fork(void) {
    for (int index = 0; index < 150; index++) own[index] = malloc(48);
    for (int index = 0; index < 1000; index++) free(inherited[index]);
    for (int index = 150; index < 300; index++) own[index] = malloc(48);
}

int main(void) {
    before_fork();
    pid_t child = fork();
    if (child == 0) {
        after_fork();
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status != 0;
}
