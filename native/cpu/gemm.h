// The arithmetic under linear and attention: dot products of rows with rows, one table of functions per instruction
// set. A sum's bits depend on its two rows alone: not on how many rows there are, where a block or a slice of a
// loop ends, or the number of threads. So a token gets the same result alone and in a batch.
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// Sums run over blocks of this many elements, which are then added up in order; a caller that splits a sum itself
// must split it here.
inline constexpr std::size_t kDotBlock = 1024;

struct GemmKernels {
  // sums[i][j] = x[i] . w[j] for i < rows, j < cols; adds to what is there if `accumulate`. Strides in elements.
  using Dot = void (*)(const float* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                       std::size_t cols, std::size_t k, float* sums, std::size_t sums_stride, bool accumulate);
  // out[i][c] += sum over j in order of p[i][j] * v[j][c], for i < rows, j < count, c < width.
  using Mix = void (*)(const float* p, std::size_t p_stride, std::size_t rows, const void* v, std::size_t v_stride,
                       std::size_t count, std::size_t width, float* out, std::size_t out_stride);
  using Widen = void (*)(const void* from, float* to, std::size_t n);
  using Narrow = void (*)(const float* from, void* to, std::size_t n);

  Dot dot[kDtypes];  // by dtype of w
  Mix mix[kDtypes];  // by dtype of v
  Widen widen[kDtypes];
  Narrow narrow[kDtypes];  // to nearest, ties to even
};

const GemmKernels& gemm_kernels(Isa isa);

}  // namespace qknorm
