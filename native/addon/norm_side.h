// One side of a QK norm, of its own or in a chain: its numbers and arrays, checked. The order of the numbers is written
// down in src/binding.ts.
#pragma once

#include <cstddef>

#include "addon/args.h"
#include "cpu/qk_norm.h"
#include "cpu/strided_rows.h"

namespace qknorm {

inline constexpr std::size_t kNormSideParams = 16, kNormSideArrays = 4;

struct CheckedSide {
  NormSide side;
  StridedRows input, output;
  bool empty = false;
};

// From kNormSideParams numbers at p and the arrays at arguments first (input, output, weight, bias). Throws unless all
// of it fits together.
void read_side(const Args& args, const double* p, std::size_t first, Dtype dtype, std::size_t head_dim,
               std::size_t tokens, const char* name, CheckedSide& checked);

// Rows are read and written in no promised order: throws where what is written is anything else's memory.
void check_memory(const CheckedSide* sides, std::size_t count, const char* const* names);

}  // namespace qknorm
