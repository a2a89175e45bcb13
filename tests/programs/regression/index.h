// An index of words: the library of the project whose regressions `check` finds.
//
// Truth: see main.cpp.

#pragma once

#include <map>
#include <string>
#include <vector>

class Index {
public:
    void add(const std::string &text);
    size_t size() const { return counts.size(); }

private:
    static std::vector<std::string> split(const std::string &text);
    static void log(const std::string &word);

    std::map<std::string, int> counts;
};

std::string make_document(int number);
void read_documents(Index &index, int count);
