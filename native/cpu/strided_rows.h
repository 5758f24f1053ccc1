// Sets of rows in memory, and whether they meet: what may be written in place, and what may not.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qknorm {

// tokens * heads rows of row_bytes each; all strides in bytes. At least one token and one head.
struct StridedRows {
  std::uintptr_t base = 0;
  std::size_t tokens = 1, heads = 1;
  std::size_t token_stride = 0, head_stride = 0;
  std::size_t row_bytes = 0;
};

// Whether two rows of one set share a byte.
bool overlaps_itself(const StridedRows& rows);

// Whether a row of one set shares a byte with a row of the other. Exact; slices of one packed tensor, interleaved by
// token or by head, are told apart without looking at every row. Costs memory for other layouts: ask for sets of
// sane size only, for instance one that does not overlap itself and another of as many rows.
bool overlap(const StridedRows& a, const StridedRows& b);

// Whether both are the same rows in the same order.
bool same_rows(const StridedRows& a, const StridedRows& b);

}  // namespace qknorm
