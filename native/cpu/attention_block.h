// A few queries of one key/value head: what both ways of rounding do with the keys. And groups of such blocks: a cache
// is laid out [keys, heads, head dim], so a thread that takes several heads reads it in longer runs.
#pragma once

#include <algorithm>
#include <cstddef>

#include "cpu/attention.h"
#include "cpu/kernels.h"

namespace qknorm {

inline constexpr std::size_t kKeys = 128;    // taken at a time: their scores stay in the first-level cache
inline constexpr std::size_t kQueries = 48;  // rows of a block

struct KeyRange {
  std::size_t begin, end;
  std::size_t size() const { return end > begin ? end - begin : 0; }
};

inline KeyRange common(KeyRange a, KeyRange b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// Rows [first, first + count) of a key/value head; row r is query head kv_head * group + r % group of token r / group.
struct QueryBlock {
  std::size_t kv_head, first, count;
};

// The same rows of several key/value heads, [head_begin, head_end); they see the same keys.
struct QueryGroup {
  std::size_t first, count, head_begin, head_end;

  std::size_t heads() const { return head_end - head_begin; }
  QueryBlock block(std::size_t head) const { return {head_begin + head, first, count}; }
};

// All queries of a call, in groups of at most `rows` rows; the last ones first, because they see the most keys.
class QueryGroups {
 public:
  // `pieces`: into how many parts the caller will split the work on each group. Few rows go together with more heads,
  // as long as there is work for all threads.
  QueryGroups(const Attention& call, std::size_t rows, std::size_t pieces);

  std::size_t count() const { return row_blocks_ * head_groups_; }
  std::size_t rows() const { return rows_; }    // the most that a group has
  std::size_t heads() const { return heads_; }  // the most that a group has
  QueryGroup at(std::size_t i) const;

 private:
  std::size_t total_, rows_, row_blocks_, kv_heads_, heads_, head_groups_;
};

class AttentionBlock {
 public:
  AttentionBlock(const Attention& call, Isa isa, const QueryBlock& block)
      : call_(call),
        block_(block),
        group_(call.query_heads / call.kv_heads),
        kernels_(kernels_of(isa)),
        operand_(kernels_.gemm.operand_of(call.dtype, call.dtype)) {}

  // The keys that row r of the block sees.
  KeyRange keys_of(std::size_t r) const {
    if (call_.mask == AttentionMask::kNone) return {0, call_.past + call_.tokens};
    const std::size_t own = call_.past + token_of(r);
    const std::size_t in_window = call_.window != 0 && own >= call_.window ? own + 1 - call_.window : 0;
    const std::size_t in_chunk = call_.chunk != 0 ? own / call_.chunk * call_.chunk : 0;
    return {std::max(in_window, in_chunk), own + 1};
  }
  // The keys that any row sees: ranges move forward from row to row.
  KeyRange keys() const { return {keys_of(0).begin, keys_of(block_.count - 1).end}; }

  // q [count, head_dim] as products with keys take it, in no more bytes than f32.
  void load_queries(void* q) const;
  // scores[r][key - base] for all rows and the keys in range, and around what row r sees, up to `width`, what `scale` makes
  // -inf. With a soft cap, or a scale of 0, they are scaled already.
  void score(const void* q, KeyRange keys, std::size_t base, std::size_t width, float* scores, std::size_t stride) const;
  // out[r] += sum of weights[r][key - base] * v[key] over the keys in range that row r sees, in order.
  void mix(const float* weights, std::size_t stride, std::size_t base, KeyRange keys, float* out) const;
  // The factor that scores still need.
  float scale() const { return call_.soft_cap == 0 && call_.scale != 0 ? call_.scale : 1; }
  // The sink of row r, or null.
  const float* sink_of(std::size_t r) const { return call_.sinks == nullptr ? nullptr : call_.sinks + head_of(r); }
  // The memory of out for row r.
  void* out_of(std::size_t r) const { return row(call_.out, token_of(r), head_of(r)); }

 private:
  std::size_t token_of(std::size_t r) const { return (block_.first + r) / group_; }
  std::size_t head_of(std::size_t r) const { return block_.kv_head * group_ + (block_.first + r) % group_; }
  void* row(const HeadsView& view, std::size_t token, std::size_t head) const {
    const std::size_t at = token * view.token_stride + head * view.head_stride;
    return static_cast<unsigned char*>(view.data) + at * bytes_of(call_.dtype);
  }
  void mix_rows(const float* weights, std::size_t stride, std::size_t base, KeyRange keys, std::size_t r,
                std::size_t rows, float* out) const;

  const Attention& call_;
  const QueryBlock block_;
  const std::size_t group_;
  const CpuKernels& kernels_;
  const Dtype operand_;
};

void attention_once(const Attention& call, Isa isa);
void attention_hf(const Attention& call, Isa isa);

}  // namespace qknorm
