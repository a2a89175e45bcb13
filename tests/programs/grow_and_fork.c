// Each round keeps one block of 1,000 bytes and forks a child that frees all that it allocates.
// Writes a line "round N" after each; ends after ARGUMENT 1 rounds, or when its standard input ends.
//
// Truth: after round N there are N live blocks of kept_block, each of 1,000 bytes.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noipa)) static void *kept_block(void) { return malloc(1000); }

static void work(void) {
    for (int index = 0; index < 200; index++) {
        void *volatile block = malloc(100 + (size_t)index);
        free(block);
    }
}

int main(int argc, char **argv) {
    long rounds = argc > 1 ? atol(argv[1]) : 0;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    for (long round = 1; !rounds || round <= rounds; round++) {
        if (!kept_block()) return 9;
        pid_t child = fork();
        if (child == 0) {
            work();
            _exit(0);
        }
        if (child < 0 || waitpid(child, NULL, 0) != child) return 8;
        printf("round %ld\n", round);
        fflush(stdout);
        if (rounds) usleep(10000);
        else if (poll(&input, 1, 10) > 0) break;
    }
    return 0;
}
