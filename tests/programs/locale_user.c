// Asks the loader for its error and sets a locale.
//
// Truth: there is no error, as nobody has looked for anything, and the program ends; it prints so.

#include <dlfcn.h>
#include <locale.h>
#include <stdio.h>

int main(void) {
    const char *error = dlerror();
    printf("loader: %s\n", error ? error : "no error");
    printf("locale: %s\n", setlocale(LC_ALL, "C.UTF-8") ? "set" : "not there");
    return 0;
}
