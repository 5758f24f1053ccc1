// A linear layer: out = x * w^T + bias.
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

struct Linear {
  std::size_t rows, in, out;  // [rows, in] x [out, in]^T -> [rows, out]
  const void* x;
  Dtype x_dtype;
  std::size_t x_stride;  // elements from one row to the next
  const void* weight;    // [out, in]
  Dtype weight_dtype;
  std::size_t weight_stride;
  const void* bias;  // [out], or null
  Dtype bias_dtype;
  void* y;
  Dtype y_dtype;
  std::size_t y_stride;
};

enum class LinearEngine {
  kAuto = 0,  // kBlas for many rows on a processor without AVX2, kOwn otherwise
  kOwn = 1,   // our own kernels: a row's bits do not depend on the number of rows
  kBlas = 2,  // OpenBLAS where there is one, kOwn otherwise: a row's bits may depend on the number of rows
};

// Sums in f32, the bias added in f32, rounded once. The bits depend on neither the number of threads nor their
// timing. The caller has checked shapes, memory and overlap.
void linear(const Linear& call, Isa isa, LinearEngine engine);

}  // namespace qknorm
