#include "cpu/attention_block.h"

#include <limits>

#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGroupRows = 48;  // of all heads of a group together

std::size_t ceil_div(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }

}  // namespace

QueryGroups::QueryGroups(const Attention& call, std::size_t rows, std::size_t pieces)
    : total_(call.tokens * (call.query_heads / call.kv_heads)), rows_(std::min(rows, total_)),
      row_blocks_(ceil_div(total_, rows_)), kv_heads_(call.kv_heads),
      heads_(std::clamp<std::size_t>(kGroupRows / rows_, 1, kv_heads_)) {
  while (heads_ > 1 && row_blocks_ * ceil_div(kv_heads_, heads_) * pieces < 2 * thread_count()) heads_ = ceil_div(heads_, 2);
  head_groups_ = ceil_div(kv_heads_, heads_);
}

QueryGroup QueryGroups::at(std::size_t i) const {
  const std::size_t first = (row_blocks_ - 1 - i / head_groups_) * rows_, head = i % head_groups_ * heads_;
  return {first, std::min(rows_, total_ - first), head, std::min(head + heads_, kv_heads_)};
}

void AttentionBlock::load_queries(void* q) const {
  const auto convert = kernels_.convert(call_.dtype, operand_);
  for (std::size_t r = 0; r < block_.count; ++r) {
    convert(row(call_.q, token_of(r), head_of(r)),
            static_cast<unsigned char*>(q) + r * call_.head_dim * bytes_of(operand_), call_.head_dim);
  }
}

void AttentionBlock::score(const void* q, KeyRange keys, std::size_t base, std::size_t width, float* scores,
                           std::size_t stride) const {
  kernels_.gemm.dot_of(operand_, call_.dtype)(q, call_.head_dim, block_.count, row(call_.k, keys.begin, block_.kv_head),
                                              call_.k.token_stride, keys.size(), call_.head_dim,
                                              scores + (keys.begin - base), stride);
  const Dtype rounded = call_.rounding == AttentionRounding::kHf ? call_.dtype : Dtype::kF32;
  const auto soften = kernels_.attention.soften[static_cast<int>(rounded)];
  // What becomes -inf by the factor that is still to come.
  const float nothing = scale() < 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
  for (std::size_t r = 0; r < block_.count; ++r) {
    const KeyRange seen = common(keys_of(r), keys);
    float* const line = scores + r * stride;
    if (seen.size() == 0) {
      std::fill(line, line + width, nothing);
    } else {
      float* const own = line + (seen.begin - base);
      if (call_.soft_cap != 0) soften(own, seen.size(), call_.scale, call_.soft_cap);
      else if (call_.scale == 0) kernels_.attention.rescale(own, seen.size(), 0);
      std::fill(line, own, nothing);
      std::fill(line + (seen.end - base), line + width, nothing);
    }
  }
}

void AttentionBlock::mix(const float* weights, std::size_t stride, std::size_t base, KeyRange keys, float* out) const {
  // Rows that see all of these keys go together; the others, at the edge of causality or of the window, in fours.
  constexpr std::size_t kTogether = 4;
  const KeyRange shared = common(keys, common(keys_of(0), keys_of(block_.count - 1)));
  const std::size_t step = shared.size() == keys.size() ? block_.count : kTogether;
  for (std::size_t r = 0; r < block_.count; r += step) {
    mix_rows(weights, stride, base, keys, r, std::min(step, block_.count - r), out);
  }
}

void AttentionBlock::mix_rows(const float* weights, std::size_t stride, std::size_t base, KeyRange keys, std::size_t r,
                              std::size_t rows, float* out) const {
  const auto add = [&](std::size_t first, std::size_t count, KeyRange range) {
    if (range.size() == 0) return;
    kernels_.gemm.mix[static_cast<int>(call_.dtype)](weights + first * stride + (range.begin - base), stride, count,
                                             row(call_.v, range.begin, block_.kv_head), call_.v.token_stride,
                                             range.size(), call_.head_dim, out + first * call_.head_dim, call_.head_dim);
  };
  const KeyRange shared = common(keys, common(keys_of(r), keys_of(r + rows - 1)));
  if (shared.size() == 0) {
    for (std::size_t i = r; i < r + rows; ++i) add(i, 1, common(keys, keys_of(i)));
    return;
  }
  for (std::size_t i = r; i < r + rows; ++i) add(i, 1, common(keys, {keys_of(i).begin, shared.begin}));
  add(r, rows, shared);
  for (std::size_t i = r; i < r + rows; ++i) add(i, 1, common(keys, {shared.end, keys_of(i).end}));
}

}  // namespace qknorm
