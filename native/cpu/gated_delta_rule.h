// Linear attention by the gated delta rule (Yang et al. 2024, Gated DeltaNet). Per value head, with its key head and a
// state S [key dim, value dim]:
//   S *= exp(-exp(a_log) softplus(a + dt_bias))
//   S += k (sigmoid(b) (v - S^T k))^T
//   out = scale S^T q
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

enum class DeltaRounding {
  kOnce = 0,  // the output alone
  kHf = 1,    // the sigmoid of b to the dtype of b too
};

// Numbers of one dtype; strides in elements. What lacks an axis has a stride of 0 there.
struct DeltaOperand {
  const void* data;
  Dtype dtype;
  std::size_t token_stride, head_stride;
};

struct GatedDeltaRule {
  std::size_t tokens, key_heads, heads, key_dim, value_dim;  // heads is a multiple of key_heads
  DeltaOperand q, k;            // [tokens, key heads, key dim]
  DeltaOperand v;               // [tokens, heads, value dim]
  DeltaOperand a, b;            // [tokens, heads]
  DeltaOperand a_log, dt_bias;  // [heads]
  float* state;                 // [heads, key dim, value dim], dense, overwritten
  void* out;                    // [tokens, heads, value dim], dense, of the dtype of v
  double scale;
  DeltaRounding rounding;
};

// Within a token all is f64; the state is rounded to f32 where it decays and where it is written. Nothing is checked. Every
// instruction set and every number of threads gives the same bits.
void gated_delta_rule(const GatedDeltaRule& call, Isa isa);

}  // namespace qknorm
