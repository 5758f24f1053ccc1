// Grouped-query attention over a key/value cache.
#pragma once

#include <cstddef>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// [tokens, heads, head dim] in memory, the last axis dense; strides in elements.
struct HeadsView {
  void* data;
  std::size_t token_stride, head_stride;
};

enum class AttentionRounding {
  kOnce = 0,  // f32 throughout, rounded at the end
  kHf = 1,    // as transformers' eager attention: dot products, scaled scores and probabilities rounded too
};

enum class AttentionMask {
  kCausal = 0,  // query t is at key past + t, and sees no later one
  kNone = 1,    // every query sees every key
};

struct Attention {
  Dtype dtype;  // of all four tensors
  std::size_t tokens, past, query_heads, kv_heads, head_dim;
  HeadsView q;     // [tokens, query_heads, head_dim]
  HeadsView k, v;  // [past + tokens, kv_heads, head_dim]
  HeadsView out;   // [tokens, query_heads, head_dim]
  float scale;
  AttentionMask mask;
  std::size_t window;  // causal: query t sees the last `window` keys up to its own, past + t; 0: all of them
  std::size_t chunk;   // causal: query t sees no key before the last multiple of `chunk` up to its own; 0: all of them
  float soft_cap;      // score = soft_cap * tanh(score / soft_cap) after the scale (Gemma 2); 0: none
  const float* sinks;  // [query_heads] scores that take their part of the softmax and add nothing (gpt-oss), or null
  AttentionRounding rounding;
};

// A query's bits depend on the query and its keys alone: not on the other queries, nor on the number of threads. Keys
// that a query must not see cannot reach it, not even as NaN. The caller has checked shapes, memory and overlap.
void attention(const Attention& call, Isa isa);

}  // namespace qknorm
