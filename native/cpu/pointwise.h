// Functions of one number after another.
#pragma once

#include <cstddef>

#include "cpu/activation.h"
#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// Activations, then some with a number of their own. The numbers are part of the binding's protocol (src/numbers.ts).
enum class PointwiseKind {
  kScale = static_cast<int>(Activation::kTanh) + 1,  // number * x
  kSoftCap,                                          // number * tanh(x / number), every step rounded
  kClamp,                                            // x, but from -number to number
};

struct Pointwise {
  Dtype dtype;
  std::size_t count;
  const void* x;  // [count]
  void* out;      // [count]
  PointwiseKind kind;  // or an Activation, as a number
  float number;
};

struct Xielu {
  Dtype dtype;
  std::size_t count;
  const void* x;
  void* out;
  double alpha_p, alpha_n, beta, eps;
};

// The callers have checked memory and overlap; `out` may be `x`. All instruction sets give the same bits: what has no
// vector kernel is computed in f64, one number at a time, and rounded to f32 and then to the dtype.
void pointwise(const Pointwise& call, Isa isa);
// x > 0: p x^2 + beta x; else (expm1(min(x, eps)) - x) n + beta x, with p = softplus(alpha_p), n = beta + softplus(alpha_n)
void xielu(const Xielu& call, Isa isa);

}  // namespace qknorm
