// A library that is loaded with RTLD_DEEPBIND and so calls the allocator of libc, not the shim.

#include <stdlib.h>

void *plugin_make(void) { return malloc(64); }

void plugin_release(void *block) { free(block); }
