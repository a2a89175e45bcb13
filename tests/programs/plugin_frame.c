// A library whose code is the same for every ROOM, but for the size of one frame: plugin_run makes
// 10 blocks of ROOM bytes through plugin_frame_allocate.

#include <stdlib.h>

static void *volatile kept[10];

__attribute__((noipa)) static void fill(char *room, int index) { room[index] = 1; }

__attribute__((noipa)) void plugin_frame_allocate(int index) {
    char room[ROOM];
    fill(room, index);
    kept[index] = malloc(ROOM);
}

__attribute__((noipa)) void plugin_run(void) {
    for (int index = 0; index < 10; index++) plugin_frame_allocate(index);
}
