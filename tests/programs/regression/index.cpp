// The index, with one regression for each of -DLEAK, -DHOT_SPOT and -DHIGH_PEAK.
//
// Truth: -DLEAK leaves 100 blocks of 64 bytes in Index::log, -DHOT_SPOT allocates 40,000 blocks more
// in Index::split, -DHIGH_PEAK holds 100 documents of 16 KiB at once in read_documents.

#include "index.h"

#include <cstring>

#define KEPT __attribute__((noinline))

KEPT void Index::log(const std::string &word) {
#ifdef LEAK
    static int logged;
    if (logged++ >= 100) return;
    char *volatile line = new char[64];
    strncpy(line, word.c_str(), 63);
#else
    (void)word;
#endif
}

KEPT std::vector<std::string> Index::split(const std::string &text) {
    std::vector<std::string> words;
    size_t start = 0;
    for (size_t end; (end = text.find(' ', start)) != std::string::npos; start = end + 1) {
#ifdef HOT_SPOT
        char *volatile copy = new char[end - start + 1];
        memcpy(copy, text.data() + start, end - start);
        delete[] copy;
#endif
        words.emplace_back(text, start, end - start);
    }
    return words;
}

KEPT void Index::add(const std::string &text) {
    for (const std::string &word : split(text)) {
        log(word);
        counts[word]++;
    }
}

KEPT std::string make_document(int number) {
    std::string text;
    text.reserve(16 * 1024);
    for (int word = 0; word < 400; word++) {
        text += "a-word-with-the-number-" + std::to_string((number * 7 + word) % 1000) + " ";
    }
    return text;
}

KEPT void read_documents(Index &index, int count) {
#ifdef HIGH_PEAK
    std::vector<char *> documents;
    documents.reserve(100);
    for (int number = 0; number < count; number++) {
        std::string text = make_document(number);
        documents.push_back(strdup(text.c_str()));
        index.add(documents.back());
    }
    for (char *document : documents) free(document);
#else
    for (int number = 0; number < count; number++) index.add(make_document(number));
#endif
}
