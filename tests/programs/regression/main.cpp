// Indexes 100 documents and prints how many words there are: the same work in every run.
//
// Truth: 1000 words; with none of LEAK, HOT_SPOT and HIGH_PEAK defined nothing is left of its own.

#include "index.h"

#include <cstdio>

int main() {
    Index index;
    read_documents(index, 100);
    printf("%zu words\n", index.size());
    return index.size() == 1000 ? 0 : 1;
}
