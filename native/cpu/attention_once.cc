// Softmax as it goes along (Milakov and Gimelshein 2018): no more than a block of scores is ever in memory.
#include <algorithm>
#include <limits>

#include "cpu/attention_block.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// A row's sum is taken over chunks of this many keys, each on its own, then joined in order: so the chunks of a long
// cache can run on several threads, and it makes no difference to the bits whether they do.
constexpr std::size_t kChunk = 1024;
constexpr std::size_t kPartialFloats = std::size_t(16) << 20;  // the most that sums of chunks may take

constexpr SoftmaxState kNothing = {-std::numeric_limits<float>::infinity(), 0.0f};

std::size_t ceil_div(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }

// Running softmax and weighted sums of all rows of a group: row r of its head h at h * rows + r.
struct Sums {
  SoftmaxState* states;
  float* values;
};

class OnceAttention {
 public:
  OnceAttention(const Attention& call, Isa isa, std::size_t pieces)
      : call_(call), isa_(isa), kernels_(kernels_of(isa).attention), groups_(call, kQueries, pieces),
        group_rows_(groups_.heads() * groups_.rows()), group_floats_(group_rows_ * call.head_dim) {}

  std::size_t floats_by_chunk(std::size_t chunks) const { return groups_.count() * chunks * sums_floats(); }

  void run_by_group() const {
    parallel_for(groups_.count(), 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      float* const q = memory.need(group_floats_ + 2 * sums_floats());
      const Sums all = sums_in(q + group_floats_), part = sums_in(q + group_floats_ + sums_floats());
      for (std::size_t i = begin; i < end; ++i) {
        const QueryGroup group = groups_.at(i);
        load_queries(group, q);
        start(group, all);
        const KeyRange keys = AttentionBlock(call_, isa_, group.block(0)).keys();
        for (std::size_t key = keys.begin / kChunk * kChunk; key < keys.end; key += kChunk) {
          attend(group, q, {key, key + kChunk}, part);
          for (std::size_t r = 0; r < group_rows_; ++r) join(all, part, r);
        }
        finish(group, all);
      }
      memory.trim();
    });
  }

  void run_by_chunk(std::size_t chunks) const {
    thread_local Scratch partial_memory;
    float* const partials = partial_memory.need(floats_by_chunk(chunks));
    parallel_for(groups_.count() * chunks, 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      float* const q = memory.need(group_floats_);
      for (std::size_t i = begin; i < end; ++i) {
        const QueryGroup group = groups_.at(i / chunks);
        load_queries(group, q);
        const std::size_t key = i % chunks * kChunk;
        attend(group, q, {key, key + kChunk}, sums_in(partials + i * sums_floats()));
      }
    });
    parallel_for(groups_.count(), 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory;
      const Sums all = sums_in(memory.need(sums_floats()));
      for (std::size_t i = begin; i < end; ++i) {
        start(groups_.at(i), all);
        for (std::size_t c = i * chunks; c < (i + 1) * chunks; ++c) {
          const Sums part = sums_in(partials + c * sums_floats());
          for (std::size_t r = 0; r < group_rows_; ++r) join(all, part, r);
        }
        finish(groups_.at(i), all);
      }
    });
    partial_memory.trim();
  }

 private:
  std::size_t sums_floats() const { return group_rows_ * (call_.head_dim + 2); }
  Sums sums_in(float* memory) const {
    return {reinterpret_cast<SoftmaxState*>(memory + group_floats_), memory};
  }

  void reset(const Sums& sums) const {
    std::fill(sums.states, sums.states + group_rows_, kNothing);
    std::fill(sums.values, sums.values + group_floats_, 0.0f);
  }

  // Nothing yet, but for a sink: it counts as one key without a value.
  void start(const QueryGroup& group, const Sums& sums) const {
    reset(sums);
    for (std::size_t h = 0; call_.sinks != nullptr && h < group.heads(); ++h) {
      const AttentionBlock block(call_, isa_, group.block(h));
      for (std::size_t r = 0; r < group.count; ++r) sums.states[h * groups_.rows() + r] = {*block.sink_of(r), 1.0f};
    }
  }

  void load_queries(const QueryGroup& group, float* q) const {
    for (std::size_t h = 0; h < group.heads(); ++h) {
      AttentionBlock(call_, isa_, group.block(h)).load_queries(q + h * groups_.rows() * call_.head_dim);
    }
  }

  void attend(const QueryGroup& group, const float* q, KeyRange chunk, const Sums& sums) const {
    reset(sums);
    const KeyRange all = common(AttentionBlock(call_, isa_, group.block(0)).keys(), chunk);
    if (all.size() == 0) return;
    for (std::size_t base = all.begin / kKeys * kKeys; base < all.end; base += kKeys) {
      for (std::size_t h = 0; h < group.heads(); ++h) {
        const std::size_t row = h * groups_.rows(), at = row * call_.head_dim;
        const AttentionBlock block(call_, isa_, group.block(h));
        absorb(block, group.count, q + at, common(all, {base, base + kKeys}), base,
               {sums.states + row, sums.values + at});
      }
    }
  }

  // The keys of one block, for the rows of one head.
  void absorb(const AttentionBlock& block, std::size_t rows, const float* q, KeyRange keys, std::size_t base,
              const Sums& sums) const {
    alignas(64) float scores[kQueries * kKeys];
    block.score(q, keys, base, kKeys, scores, kKeys);
    for (std::size_t r = 0; r < rows; ++r) {
      if (common(block.keys_of(r), keys).size() == 0) continue;
      const float kept = kernels_.absorb(scores + r * kKeys, kKeys, block.scale(), sums.states[r]);
      if (kept != 1.0f) kernels_.rescale(sums.values + r * call_.head_dim, call_.head_dim, kept);
    }
    block.mix(scores, kKeys, base, keys, sums.values);
  }

  void join(const Sums& all, const Sums& part, std::size_t r) const {
    const SoftmaxState& state = part.states[r];
    if (state.peak == kNothing.peak && state.total == 0) return;  // a chunk without a key for this row
    const std::size_t at = r * call_.head_dim;
    kernels_.merge(all.states[r], all.values + at, state, part.values + at, call_.head_dim);
  }

  void finish(const QueryGroup& group, const Sums& sums) const {
    for (std::size_t h = 0; h < group.heads(); ++h) {
      const AttentionBlock block(call_, isa_, group.block(h));
      for (std::size_t r = 0; r < group.count; ++r) {
        const std::size_t row = h * groups_.rows() + r;
        kernels_.finish[static_cast<int>(call_.dtype)](sums.values + row * call_.head_dim, sums.states[row].total,
                                                       block.out_of(r), call_.head_dim);
      }
    }
  }

  const Attention& call_;
  const Isa isa_;
  const AttentionKernels& kernels_;
  const QueryGroups groups_;
  const std::size_t group_rows_, group_floats_;
};

}  // namespace

void attention_once(const Attention& call, Isa isa) {
  const std::size_t chunks = ceil_div(call.past + call.tokens, kChunk);
  const bool few_rows = call.tokens * (call.query_heads / call.kv_heads) <= kQueries;
  if (chunks > 1 && few_rows) {
    const OnceAttention split(call, isa, chunks);
    if (split.floats_by_chunk(chunks) <= kPartialFloats) return split.run_by_chunk(chunks);
  }
  OnceAttention(call, isa, 1).run_by_group();
}

}  // namespace qknorm
