// Mixture of experts: each token through the few experts it was routed to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/activation.h"
#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// One matrix of every expert: [experts, rows, columns], the last axis dense; strides in elements.
struct ExpertStack {
  const void* data;
  Dtype dtype;
  std::size_t stride, row_stride;
};

enum class MoeRounding {
  kOnce = 0,  // f32 arithmetic, rounded at the end
  kHf = 1,    // every step rounded to the dtype; a weighed output only where the weights are of that dtype
};

enum class MoeWeighing { kOutput = 0, kInput = 1 };

struct Moe {
  std::size_t tokens, choices, hidden, intermediate;
  Dtype dtype;  // of x and out
  const void* x;  // [tokens, hidden]
  std::size_t x_stride;
  ExpertStack gate, up;         // [experts, intermediate, hidden]
  ExpertStack down;             // [experts, hidden, intermediate]
  const std::int32_t* chosen;   // [tokens, choices], each an expert
  const void* weights;          // [tokens, choices]
  Dtype weights_dtype;          // f32 or that of x
  void* out;                    // [tokens, hidden]
  std::size_t out_stride;
  Activation activation;
  MoeWeighing weighs;
  MoeRounding rounding;
};

// out[t] = sum over k of weights[t][k] * down(act(gate(x[t])) * up(x[t])) of expert chosen[t][k], or with the weight on x[t]
// instead. Only the matrices of chosen experts are read, each once for all of its tokens. The bits of a token depend on
// neither its company nor the number of threads. The caller has checked shapes, memory, overlap and experts.
void moe(const Moe& call, Isa isa);

}  // namespace qknorm
