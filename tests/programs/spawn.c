// Starts a program in the way the first argument names: vfork, posix_spawn, fork or system.
// The rest of the arguments is the program.
//
// Truth: 500 blocks through before_spawn and 700 through after_spawn in this process, all alive;
// the other program has a segment of its own.

#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEP __attribute__((noipa))
extern char **environ;
static void *volatile kept[1200];

KEEP static void before_spawn(void) {
    for (int index = 0; index < 500; index++) kept[index] = malloc(64);
}

KEEP static void after_spawn(void) {
    for (int index = 500; index < 1200; index++) kept[index] = malloc(64);
}

static pid_t start(const char *how, char **words) {
    pid_t child = -1;
    if (!strcmp(how, "posix_spawn")) {
        if (posix_spawn(&child, words[0], NULL, NULL, words, environ)) _exit(9);
    } else if (!strcmp(how, "vfork")) {
        child = vfork();
        if (child == 0) {
            execv(words[0], words);
            _exit(9);
        }
    } else {
        child = fork();
        if (child == 0) {
            execv(words[0], words);
            _exit(9);
        }
    }
    return child;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    before_spawn();
    int status = -1;
    if (!strcmp(argv[1], "system")) status = system(argv[2]);
    else waitpid(start(argv[1], argv + 2), &status, 0);
    after_spawn();
    printf("status %d\n", status);
    return 0;
}
