#include "cpu/attention.h"

#include <algorithm>
#include <limits>

#include "cpu/attention_block.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kQueries = 48;  // rows of a block
constexpr std::size_t kKeys = 128;    // scores of a row that are weighed at once
// A row's sum is taken over chunks of this many keys, each on its own, then joined in order: so the chunks of a long
// cache can run on several threads, and it makes no difference to the bits whether they do.
constexpr std::size_t kChunk = 1024;
constexpr std::size_t kPartialFloats = std::size_t(16) << 20;  // the most that partial sums may take
constexpr std::size_t kRowFloats = std::size_t(1) << 20;       // of whole rows of scores, for one thread

constexpr SoftmaxState kNothing = {-std::numeric_limits<float>::infinity(), 0.0f};

std::size_t ceil_div(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }

// Blocks of at most `rows` queries, the last ones first: they see the most keys.
struct Blocks {
  Blocks(const Attention& call, std::size_t rows)
      : rows(rows), total(call.tokens * (call.query_heads / call.kv_heads)), per_head(ceil_div(total, rows)),
        count(per_head * call.kv_heads), kv_heads(call.kv_heads) {}

  QueryBlock at(std::size_t i) const {
    const std::size_t first = (per_head - 1 - i / kv_heads) * rows;
    return {i % kv_heads, first, std::min(rows, total - first)};
  }

  std::size_t rows, total, per_head, count, kv_heads;
};

class OnceAttention {
 public:
  OnceAttention(const Attention& call, Isa isa)
      : call_(call), isa_(isa), kernels_(attention_kernels(isa)), blocks_(call, kQueries) {}

  void run() {
    const std::size_t chunks = ceil_div(call_.past + call_.tokens, kChunk);
    const std::size_t partial = blocks_.count * kQueries * (call_.head_dim + 2);
    if (blocks_.count < 2 * thread_count() && chunks > 1 && partial <= kPartialFloats / chunks) {
      run_by_chunk(chunks);
    } else {
      run_by_block();
    }
  }

 private:
  // The keys of one chunk for one block: fills states [count] and sums [count, head_dim].
  void attend(const AttentionBlock& block, std::size_t count, const float* q, KeyRange chunk, SoftmaxState* states,
              float* sums) const {
    alignas(64) float scores[kQueries * kKeys];
    std::fill(states, states + count, kNothing);
    std::fill(sums, sums + count * call_.head_dim, 0.0f);
    const KeyRange all = common(block.keys(), chunk);
    if (all.size() == 0) return;
    for (std::size_t base = all.begin / kKeys * kKeys; base < all.end; base += kKeys) {
      const KeyRange keys = common(all, {base, base + kKeys});
      block.score(q, keys, base, kKeys, scores, kKeys);
      for (std::size_t r = 0; r < count; ++r) {
        if (common(block.keys_of(r), keys).size() == 0) continue;
        const float kept = kernels_.absorb(scores + r * kKeys, kKeys, call_.scale, states[r]);
        if (kept != 1.0f) kernels_.rescale(sums + r * call_.head_dim, call_.head_dim, kept);
      }
      block.mix(scores, kKeys, base, keys, sums);
    }
  }

  void join(SoftmaxState& state, float* sum, const SoftmaxState& other, const float* more) const {
    if (other.peak == kNothing.peak && other.total == 0) return;  // a chunk without a key for this row
    kernels_.merge(state, sum, other, more, call_.head_dim);
  }

  void finish(const AttentionBlock& block, std::size_t r, const SoftmaxState& state, const float* sum) const {
    kernels_.finish[static_cast<int>(call_.dtype)](sum, state.total, block.out_of(r), call_.head_dim);
  }

  void run_by_block() const {
    parallel_for(blocks_.count, 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      const std::size_t floats = kQueries * call_.head_dim;
      float* const q = memory.need(3 * floats);
      float *const sums = q + floats, *const more = sums + floats;
      for (std::size_t i = begin; i < end; ++i) {
        const QueryBlock rows = blocks_.at(i);
        const AttentionBlock block(call_, isa_, rows);
        SoftmaxState states[kQueries], others[kQueries];
        block.load_queries(q);
        std::fill(states, states + rows.count, kNothing);
        std::fill(sums, sums + rows.count * call_.head_dim, 0.0f);
        const KeyRange keys = block.keys();
        for (std::size_t key = keys.begin / kChunk * kChunk; key < keys.end; key += kChunk) {
          attend(block, rows.count, q, {key, key + kChunk}, others, more);
          for (std::size_t r = 0; r < rows.count; ++r) {
            join(states[r], sums + r * call_.head_dim, others[r], more + r * call_.head_dim);
          }
        }
        for (std::size_t r = 0; r < rows.count; ++r) finish(block, r, states[r], sums + r * call_.head_dim);
      }
      memory.trim();
    });
  }

  void run_by_chunk(std::size_t chunks) const {
    thread_local Scratch partial_memory;
    const std::size_t stride = kQueries * (call_.head_dim + 2);  // states, then sums, of one block and chunk
    float* const partials = partial_memory.need(blocks_.count * chunks * stride);
    const auto states_of = [&](std::size_t i) { return reinterpret_cast<SoftmaxState*>(partials + i * stride); };
    const auto sums_of = [&](std::size_t i) { return partials + i * stride + 2 * kQueries; };

    parallel_for(blocks_.count * chunks, 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      float* const q = memory.need(kQueries * call_.head_dim);
      for (std::size_t i = begin; i < end; ++i) {
        const QueryBlock rows = blocks_.at(i / chunks);
        const AttentionBlock block(call_, isa_, rows);
        block.load_queries(q);
        const std::size_t key = i % chunks * kChunk;
        attend(block, rows.count, q, {key, key + kChunk}, states_of(i), sums_of(i));
      }
    });
    parallel_for(blocks_.count, 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      float* const sum = memory.need(call_.head_dim);
      for (std::size_t i = begin; i < end; ++i) {
        const QueryBlock rows = blocks_.at(i);
        const AttentionBlock block(call_, isa_, rows);
        for (std::size_t r = 0; r < rows.count; ++r) {
          SoftmaxState state = kNothing;
          std::fill(sum, sum + call_.head_dim, 0.0f);
          for (std::size_t c = i * chunks; c < (i + 1) * chunks; ++c) {
            join(state, sum, states_of(c)[r], sums_of(c) + r * call_.head_dim);
          }
          finish(block, r, state, sum);
        }
      }
    });
    partial_memory.trim();
  }

  const Attention& call_;
  const Isa isa_;
  const AttentionKernels& kernels_;
  const Blocks blocks_;
};

// The whole row of scores is needed before the first probability: slower, and memory grows with the keys.
void attention_hf(const Attention& call, Isa isa) {
  const AttentionKernels& kernels = attention_kernels(isa);
  const std::size_t widest = ceil_div(call.past + call.tokens, kKeys) * kKeys + kKeys;
  const Blocks blocks(call, std::clamp<std::size_t>(kRowFloats / widest, 1, kQueries));
  parallel_for(blocks.count, 1, [&](std::size_t begin, std::size_t end) {
    thread_local Scratch q_memory, scores_memory;
    float* const q = q_memory.need(2 * blocks.rows * call.head_dim);
    float* const sums = q + blocks.rows * call.head_dim;
    for (std::size_t i = begin; i < end; ++i) {
      const QueryBlock rows = blocks.at(i);
      const AttentionBlock block(call, isa, rows);
      const KeyRange keys = block.keys();
      const std::size_t base = keys.begin / kKeys * kKeys;  // sums over a row start at the same keys in any block
      const std::size_t width = ceil_div(keys.end - base, kKeys) * kKeys;
      float* const scores = scores_memory.need(blocks.rows * width);
      block.load_queries(q);
      block.score(q, keys, base, width, scores, width);
      for (std::size_t r = 0; r < rows.count; ++r) {
        kernels.probabilities[static_cast<int>(call.dtype)](scores + r * width, width, call.scale);
      }
      std::fill(sums, sums + rows.count * call.head_dim, 0.0f);
      for (std::size_t key = base; key < keys.end; key += kKeys) {
        block.mix(scores, width, base, common(keys, {key, key + kKeys}), sums);
      }
      for (std::size_t r = 0; r < rows.count; ++r) {
        kernels.finish[static_cast<int>(call.dtype)](sums + r * call.head_dim, 1.0f, block.out_of(r), call.head_dim);
      }
    }
    q_memory.trim();
    scores_memory.trim();
  });
}

}  // namespace

void attention(const Attention& call, Isa isa) {
  if (call.tokens == 0) return;
  if (call.rounding == AttentionRounding::kHf) {
    attention_hf(call, isa);
  } else {
    OnceAttention(call, isa).run();
  }
}

}  // namespace qknorm
