// Causal depthwise convolution, a piece of one sequence at a time: with z = [state, x], taps - 1 rows before those of x,
//   out[t, c] = bias[c] + sum over j of weight[c, j] * z[t + j, c]
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

struct CausalConv {
  std::size_t tokens, channels, taps;
  Dtype dtype;  // of x, state and out
  const void* x;  // [tokens, channels]
  std::size_t x_stride;  // elements
  const void* weight;  // [channels, taps], dense
  Dtype weight_dtype;
  const void* bias;  // [channels], or null
  Dtype bias_dtype;
  void* state;  // [taps - 1, channels], dense; becomes the last rows of z
  void* out;    // [tokens, channels], dense
};

// Sums are f64, and rounded once. Nothing is checked. Every instruction set and every number of threads gives the same bits.
void causal_conv(const CausalConv& call, Isa isa);

}  // namespace qknorm
