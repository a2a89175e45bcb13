// Four threads make and drop blocks, of each run a few percent more or less than of another;
// `workers 30` is one thread that retries 30 jobs in a thousand in each run.
//
// Truth: 40,000 blocks of 100 bytes in `attempt`, and up to 6 % more of them in `retry`; -DHOT_SPOT
// adds 8,000 in `prepare`. Nothing is left.

#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#define KEPT __attribute__((noipa))

static std::atomic<int> jobs{40000};

KEPT static void attempt() {
    char *volatile block = new char[100];
    delete[] block;
}

KEPT static void retry() {
    char *volatile block = new char[100];
    delete[] block;
}

KEPT static void prepare() {
#ifdef HOT_SPOT
    char *volatile block = new char[100];
    delete[] block;
#endif
}

KEPT static void work(unsigned retries_in_a_thousand) {
    for (int job; (job = jobs--) > 0;) {
        if (job % 5 == 0) prepare();
        attempt();
        if (unsigned(job) % 1000 < retries_in_a_thousand) retry();
    }
}

int main(int count, char **arguments) {
    if (count > 1) {
        work(std::stoul(arguments[1]));
        return 0;
    }
    unsigned retries_in_a_thousand = std::random_device{}() % 60;
    std::vector<std::thread> threads;
    for (int index = 0; index < 4; index++) threads.emplace_back(work, retries_in_a_thousand);
    for (std::thread &thread : threads) thread.join();
    return 0;
}
