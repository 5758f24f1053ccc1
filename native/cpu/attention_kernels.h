// Softmax in pieces, one table of functions per instruction set. Every n is a multiple of kSoftmaxPad: callers fill
// up with -inf, which weighs nothing.
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

inline constexpr std::size_t kSoftmaxPad = 16;

// The running softmax of one query: weights are exp(score - peak), and `total` is their sum.
struct SoftmaxState {
  float peak, total;
};

struct AttentionKernels {
  // scores -> weights against the new peak; returns the factor for what was summed against the old one.
  float (*absorb)(float* scores, std::size_t n, float scale, SoftmaxState& state);
  // Any n. x *= factor
  void (*rescale)(float* x, std::size_t n, float factor);
  // Any n. Joins two states and their weighted sums x and y [n] in the first.
  void (*merge)(SoftmaxState& state, float* x, const SoftmaxState& other, const float* y, std::size_t n);
  // Any n. out = x / total, rounded.
  void (*finish[kDtypes])(const float* x, float total, void* out, std::size_t n);

  // Rounding as transformers does, over a whole row: score = round(round(score) * scale), then round(softmax).
  void (*probabilities[kDtypes])(float* scores, std::size_t n, float scale);
};

const AttentionKernels& attention_kernels(Isa isa);

}  // namespace qknorm
