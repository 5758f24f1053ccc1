// A linear layer with what stands around it, for a few rows: out = residual + swiglu(norm(x) * w^T + bias).
#pragma once

#include <cstddef>

#include "cpu/elementwise.h"
#include "cpu/linear.h"
#include "cpu/qk_norm.h"

namespace qknorm {

inline constexpr std::size_t kMostProjectRows = 8;

struct Project {
  Linear linear;         // x, weight and bias as there; y [rows, out], or [rows, out / 2] with swiglu, of the dtype of x
  const NormSide* norm;  // of a row of x: kind, rounding, eps, weight and bias are read; or null
  bool swiglu;           // the first half of the weight's rows are gates
  SiluRounding silu_rounding;
  const void* residual;  // as y, which it may be; or null
  std::size_t residual_stride;
};

// At most kMostProjectRows rows. The bits of qk_norm, linear with our own kernels, silu_mul and add one after the other,
// with one wait for other threads instead of four. The caller has checked shapes, memory and overlap.
void project(const Project& call, Isa isa);

}  // namespace qknorm
