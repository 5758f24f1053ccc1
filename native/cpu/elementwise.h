// Operations on rows of numbers, one row at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

enum class SiluRounding {
  kOnce = 0,  // f32 arithmetic, rounded at the end
  kHf = 1,    // silu(gate) rounded too
};

struct SiluMul {
  Dtype dtype;
  std::size_t rows, width;
  const void* gate_up;  // [rows, 2 * width], the gate first
  std::size_t gate_up_stride;
  void* out;  // [rows, width]
  std::size_t out_stride;
  SiluRounding rounding;
};

struct GatherRows {
  const void* table;  // [table rows, width]
  Dtype table_dtype;
  std::size_t table_stride;
  const std::int32_t* ids;  // [rows], each a row of the table
  void* out;                // [rows, width]
  Dtype out_dtype;
  std::size_t out_stride;
  std::size_t rows, width;
};

struct CopyRows {
  const void* from;
  void* to;
  std::size_t from_stride, to_stride, row_bytes;  // all in bytes
  std::size_t rows;
};

// The callers have checked shapes, memory, overlap and ids.

// out = silu(gate) * up with silu(x) = x / (1 + exp(-x))
void silu_mul(const SiluMul& call, Isa isa);
// out [n] = a [n] + b [n], in f32, rounded. `out` may be `a` or `b`.
void add(Dtype dtype, const void* a, const void* b, void* out, std::size_t n, Isa isa);
// out [n] = a [n] * b [n], as add.
void mul(Dtype dtype, const void* a, const void* b, void* out, std::size_t n, Isa isa);
// to [n] = from [n], rounded
void convert(Dtype from_dtype, const void* from, Dtype to_dtype, void* to, std::size_t n, Isa isa);
void gather_rows(const GatherRows& call, Isa isa);
void copy_rows(const CopyRows& call);

}  // namespace qknorm
