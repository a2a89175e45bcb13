// Calls a function of a library that is bound at its first call, when the library's resolver
// allocates to choose an implementation.
//
// Truth: 10 blocks through plugin_choose, which the loader called because first_call, called by
// main, went through its PLT.

void plugin_lazy(void);

static volatile int calls;

__attribute__((noipa)) static void first_call(void) {
    plugin_lazy();
    calls++;
}

int main(void) {
    first_call();
    first_call();
    return calls != 2;
}
