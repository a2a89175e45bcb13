// A library whose constructor makes a locale, as libp11-kit does: the C library holds the lock of
// its locales while it makes the first allocation of the process.
//
// Truth: the library is loaded, and the locale can be freed and another one set afterwards.

#include <locale.h>

static locale_t made;

__attribute__((constructor)) static void make_locale(void) {
    made = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
}

__attribute__((destructor)) static void free_locale(void) {
    if (made) freelocale(made);
}
