// Large pages for large arrays: weights that are read once a token cost an address translation for every 4 KiB otherwise.
#pragma once

#include <cstddef>

namespace qknorm {

// Asks the system to back this memory by huge pages when it is first written. Advice: nothing fails, and nothing happens
// where the system has none.
void prefer_huge_pages(void* data, std::size_t bytes);

}  // namespace qknorm
