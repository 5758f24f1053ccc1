// Integers that choose rows of a table.
#pragma once

#include <cstdint>
#include <vector>

#include "addon/args.h"

namespace qknorm {

// `count` ids from `offset` of Int32Array argument i, each within [0, rows). A copy: the array may be shared with
// another thread, and an id that changed after its check would read any memory.
std::vector<std::int32_t> row_ids(const Args& args, std::size_t i, std::size_t offset, std::size_t count,
                                  std::size_t rows, const char* name);

}  // namespace qknorm
