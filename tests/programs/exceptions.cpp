// 2,000 C++ exceptions with messages of their own are thrown through ten frames and caught.
//
// Truth: one block of 333 bytes leaks, through leak_one; of all that throw_deep allocates,
// nothing is alive at the end. Prints the number caught.

#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

static void *volatile leaked;

__attribute__((noipa)) static void leak_one() { leaked = ::operator new(333); }

__attribute__((noipa)) static int throw_deep(int depth, int number) {
    std::vector<int> unwound(100, number);
    if (depth == 0)
        throw std::runtime_error("a message too long for any short string, number " +
                                 std::to_string(number));
    return throw_deep(depth - 1, number) + unwound[5];
}

int main() {
    int caught = 0;
    for (int number = 0; number < 2000; number++) {
        try {
            throw_deep(10, number);
        } catch (const std::runtime_error &error) {
            caught += std::string(error.what()).find(std::to_string(number)) != std::string::npos;
        }
    }
    leak_one();
    std::printf("%d caught\n", caught);
    return 0;
}
