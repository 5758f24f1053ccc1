// Reading the numbers of a call, which travel in one Float64Array, and placing its tensors in memory. The order of
// the numbers of each function is written down in src/binding-ops.ts.
#pragma once

#include <cstddef>

#include "addon/args.h"
#include "cpu/isa.h"
#include "cpu/strided_rows.h"

namespace qknorm {

// Numbers are taken one after the other; names serve messages.
class Params {
 public:
  // Argument i must be a Float64Array of exactly `count` numbers.
  Params(const Args& args, std::size_t i, std::size_t count);

  std::size_t integer(const char* name, std::size_t lo = 0, std::size_t hi = (std::size_t(1) << 53) - 1);
  float number(const char* name);  // finite as f32 too
  double real(const char* name);   // finite
  double eps();                    // finite, >= 0
  Dtype dtype(const char* name);
  Isa isa();  // -1: active_isa()
  const double* unread(std::size_t count);  // the next `count`, for a reader of their own
  template <typename Enum>
  Enum choice(const char* name, Enum last) {
    return static_cast<Enum>(integer(name, 0, static_cast<std::size_t>(last)));
  }

 private:
  const double* next_;
};

// Offset and strides of a tensor, in elements.
struct Place {
  std::size_t offset = 0, token_stride = 0, head_stride = 0;
};

// [tokens, heads, row] of an array; throws unless all of it lies inside and no two rows overlap. At least one token
// and head. By the bytes of an element, or its dtype.
StridedRows rows_in(const ArrayView& array, std::size_t element_bytes, const Place& place, std::size_t tokens,
                    std::size_t heads, std::size_t row, const char* name);
StridedRows rows_in(const ArrayView& array, Dtype dtype, const Place& place, std::size_t tokens, std::size_t heads,
                    std::size_t row, const char* name);

// What is written may be nothing else's memory.
void refuse_overlap(const StridedRows& written, const char* name, const StridedRows& other, const char* other_name);

inline void* memory_of(const StridedRows& rows) { return reinterpret_cast<void*>(rows.base); }

}  // namespace qknorm
