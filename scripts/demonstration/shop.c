// A small shop as servers go: requests come and are answered, pages are cached, customers have
// sessions. It takes some 5 % of a core.
//
// Built with -DFORGETFUL it has the bug that the demonstration is about: who leaves without paying
// leaves a basket behind, and nobody frees it. That is 40 baskets a second, 160 KiB.
// It ends by itself after an hour, so that a forgotten demonstration does no harm.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS = 300, PAGES = 1000, VISITS_A_TICK = 2, TICK_NS = 10000000, LIFE_SECONDS = 3600 };

struct session {
    char customer[64];
    char *basket;
};

static struct session *sessions[SESSIONS];
static char *pages[PAGES];
static uint64_t random_state = 88172645463325252u;

// A number below `end` (xorshift).
static unsigned drawn(unsigned end) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state >> 33) % end;
}

static char *block_of(size_t size) {
    char *block = malloc(size);
    if (!block) abort();
    return memset(block, ' ', size);
}

__attribute__((noinline)) static char *new_basket(void) { return block_of(3000 + drawn(2000)); }

__attribute__((noinline)) static struct session *open_session(void) {
    struct session *session = (struct session *)block_of(sizeof *session);
    session->basket = new_basket();
    return session;
}

__attribute__((noinline)) static void close_session(struct session *session, int has_paid) {
#ifdef FORGETFUL
    if (has_paid) free(session->basket);
#else
    (void)has_paid;
    free(session->basket);
#endif
    free(session);
}

// Draws every letter, as a template engine would at the same cost.
__attribute__((noinline)) static void render(char *page, size_t size) {
    for (int pass = 0; pass < 40; pass++) {
        for (size_t place = 0; place < size; place++) page[place] = (char)('a' + drawn(26));
    }
}

__attribute__((noinline)) static void cache_page(const char *text, size_t size) {
    char **place = &pages[drawn(PAGES)];
    free(*place);
    *place = memcpy(block_of(size), text, size);
}

__attribute__((noinline)) static void handle_request(void) {
    size_t size = 500 + drawn(2000);
    char *request = block_of(200 + drawn(800)), *answer = block_of(size);
    render(answer, size);
    if (drawn(4) == 0) cache_page(answer, size);
    free(answer);
    free(request);
}

int main(void) {
    struct timespec pause = {.tv_nsec = TICK_NS};
    alarm(LIFE_SECONDS);
    for (;;) {
        for (int visit = 0; visit < VISITS_A_TICK; visit++) {
            int place = (int)drawn(SESSIONS), has_paid = drawn(5) != 0;
            if (sessions[place]) close_session(sessions[place], has_paid);
            sessions[place] = open_session();
            for (int request = 0; request < 2; request++) handle_request();
        }
        nanosleep(&pause, NULL);
    }
}
