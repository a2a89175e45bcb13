// C++ functions with namespaces, templates and operators allocate, by new and by malloc.
//
// Truth: zoo::Cage<int>::add_animal(int) 5 blocks by new, zoo::operator+ 3 blocks by malloc.

#include <cstdlib>

static void *volatile kept[8];
static int used;

namespace zoo {
template <typename Kind> struct Cage {
    __attribute__((noipa)) void add_animal(Kind kind) { kept[used++] = new Kind(kind); }
};
struct Visitor {};
__attribute__((noipa)) int operator+(const Visitor &, const Visitor &) {
    kept[used++] = malloc(50);
    return used;
}
} // namespace zoo

int main() {
    zoo::Cage<int> cage;
    for (int index = 0; index < 5; index++) cage.add_animal(index);
    for (int index = 0; index < 3; index++) (void)(zoo::Visitor() + zoo::Visitor());
    return 0;
}
