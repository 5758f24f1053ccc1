// QK norm on the CPU: each head of q and of k, or all heads of a token together, normalised in one pass over memory.
//   rms:    n = x / sqrt(mean(x^2) + eps)
//   layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
//   l2:     n = x / sqrt(sum(x^2) + eps)
//   unit:   n = x / max(sqrt(sum(x^2)), eps)
//   y = n * (weight_offset + weight) + bias
// Rms is Zhang and Sennrich (2019), equation 4; layer is Ba, Kiros and Hinton (2016).
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// The numbers of these are part of the binding's protocol (src/binding.ts).
enum class NormKind : std::uint8_t { kRms = 0, kLayer = 1, kL2 = 2, kUnit = 3 };
// What one row is. The kernels know heads alone: across heads, the caller hands over one head of all their elements.
enum class NormAxis : std::uint8_t { kHead = 0, kRow = 1 };
enum class NormRounding : std::uint8_t {
  kOnce = 0,  // one rounding to the activation dtype, at the end
  kHf = 1,    // n is rounded, then the product, then the sum with the bias if there is one
};

// [D] or [H, D] numbers of any dtype, or none.
struct NormVector {
  const void* data = nullptr;
  Dtype dtype = Dtype::kF32;
  std::size_t head_stride = 0;  // elements: 0 for [D], D for [H, D]
};

// q or k, already checked: [tokens, heads, head_dim] with free token and head strides.
struct NormSide {
  Dtype dtype = Dtype::kF32;
  NormKind kind = NormKind::kRms;
  NormRounding rounding = NormRounding::kOnce;
  double eps = 0;
  double weight_offset = 0;
  NormVector weight;
  NormVector bias;
  std::size_t heads = 0;
  std::size_t head_dim = 0;
  const char* input = nullptr;
  std::size_t input_token_stride = 0, input_head_stride = 0;  // bytes
  char* output = nullptr;                                     // == input with the same strides: in place
  std::size_t output_token_stride = 0, output_head_stride = 0;
};

// Normalises `tokens` tokens of each side. Nothing is checked. Every instruction set and every number of threads
// gives the same bits, and a row's result depends on that row alone.
void qk_norm(const NormSide* sides, std::size_t side_count, std::size_t tokens, Isa isa);

}  // namespace qknorm
