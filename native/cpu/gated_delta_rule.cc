#include "cpu/gated_delta_rule.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/float_format.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGrain = 8192;  // elements of state times tokens that are worth another thread

// What a token does to a head's state.
struct Gate {
  double decay, beta;
};

class Rule {
 public:
  Rule(const GatedDeltaRule& call, Isa isa) : call_(call), kernels_(kernels_of(isa)), gates_(call.tokens * call.heads) {
    for (std::size_t head = 0; head < call.heads; ++head) set_gates(head);
  }

  // kDeltaColumns columns of the state of one head, through all tokens: they stay in the first-level cache.
  void run(std::size_t head, std::size_t column) const {
    const std::size_t rows = call_.key_dim, count = std::min(kDeltaColumns, call_.value_dim - column);
    thread_local Scratch memory;
    float* const state = memory.need(rows * (kDeltaColumns + 2));
    float *const q = state + rows * kDeltaColumns, *const k = q + rows;
    alignas(64) float v[kDeltaColumns] = {}, out[kDeltaColumns];
    float* const own = call_.state + head * rows * call_.value_dim + column;
    load_state(own, count, state);
    const std::size_t key_head = head / (call_.heads / call_.key_heads);
    for (std::size_t token = 0; token < call_.tokens; ++token) {
      widen(call_.q, token, key_head, 0, rows, q);
      widen(call_.k, token, key_head, 0, rows, k);
      widen(call_.v, token, head, column, count, v);
      const Gate& gate = gates_[token * call_.heads + head];
      kernels_.delta.step(state, rows, {q, k, v, gate.decay, gate.beta, call_.scale, call_.v.dtype != Dtype::kF32, out});
      const std::size_t at = (token * call_.heads + head) * call_.value_dim + column;
      kernels_.narrow(call_.v.dtype)(out, static_cast<char*>(call_.out) + at * bytes_of(call_.v.dtype), count);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      std::memcpy(own + i * call_.value_dim, state + i * kDeltaColumns, count * sizeof(float));
    }
    memory.trim();
  }

 private:
  // Columns that are not there are zeros, and stay zeros.
  void load_state(const float* own, std::size_t count, float* state) const {
    if (count < kDeltaColumns) std::fill_n(state, call_.key_dim * kDeltaColumns, 0.0f);
    for (std::size_t i = 0; i < call_.key_dim; ++i) {
      std::memcpy(state + i * kDeltaColumns, own + i * call_.value_dim, count * sizeof(float));
    }
  }

  void widen(const DeltaOperand& x, std::size_t token, std::size_t head, std::size_t first, std::size_t count,
             float* to) const {
    const std::size_t at = token * x.token_stride + head * x.head_stride + first;
    kernels_.widen(x.dtype)(static_cast<const char*>(x.data) + at * bytes_of(x.dtype), to, count);
  }

  double number(const DeltaOperand& x, std::size_t token, std::size_t head) const {
    float value;
    widen(x, token, head, 0, 1, &value);
    return value;
  }

  void set_gates(std::size_t head) {
    const double rate = std::exp(number(call_.a_log, 0, head)), bias = number(call_.dt_bias, 0, head);
    for (std::size_t token = 0; token < call_.tokens; ++token) {
      const double x = number(call_.a, token, head) + bias;
      const double softplus = (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x)));
      const double beta = 1 / (1 + std::exp(-number(call_.b, token, head)));
      gates_[token * call_.heads + head] = {std::exp(-rate * softplus), rounded(beta)};
    }
  }

  double rounded(double x) const {
    if (call_.rounding == DeltaRounding::kOnce) return x;
    switch (call_.b.dtype) {
      case Dtype::kF32:
        return static_cast<float>(x);
      case Dtype::kBf16:
        return decode_bf16(round_f32_to_bf16(narrow_to_odd(x)));
      default:
        return decode_f16(round_f32_to_f16(narrow_to_odd(x)));
    }
  }

  const GatedDeltaRule& call_;
  const CpuKernels& kernels_;
  std::vector<Gate> gates_;  // [tokens, heads]
};

}  // namespace

void gated_delta_rule(const GatedDeltaRule& call, Isa isa) {
  if (call.tokens == 0 || call.heads == 0 || call.value_dim == 0) return;
  const Rule rule(call, isa);
  const std::size_t blocks = (call.value_dim + kDeltaColumns - 1) / kDeltaColumns;
  const std::size_t grain = kGrain / (kDeltaColumns * std::max<std::size_t>(call.key_dim, 1) * call.tokens) + 1;
  parallel_for(call.heads * blocks, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) rule.run(i / blocks, i % blocks * kDeltaColumns);
  });
}

}  // namespace qknorm
