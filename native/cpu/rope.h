// Rotary position embedding (Su et al. 2021, equation 34), in place.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

enum class RopeLayout {
  kHalves = 0,      // value i turns against value i + half: GPT-NeoX, Llama, Qwen
  kInterleaved = 1  // value 2i turns against value 2i + 1: GPT-J, Cohere
};

enum class RopeRounding {
  kOnce = 0,  // f32 arithmetic, rounded at the end
  kHf = 1,    // as transformers: cos, sin, each product and each sum rounded to the dtype
};

struct Rope {
  Dtype dtype;
  std::size_t tokens, heads, half;  // the first 2 * half values of each head turn
  void* x;                          // [tokens, heads, head dim], strides in elements
  std::size_t token_stride, head_stride;
  const float* cos;  // [positions, half]
  const float* sin;
  const std::int32_t* positions;  // [tokens], each a row of the tables
  RopeLayout layout;
  RopeRounding rounding;
};

// The same bits from every instruction set. The caller has checked shapes, memory and positions.
void rope(const Rope& call, Isa isa);

// Tokens [begin, end) on the calling thread.
void rope_tokens(const Rope& call, std::size_t begin, std::size_t end, Isa isa);

}  // namespace qknorm
