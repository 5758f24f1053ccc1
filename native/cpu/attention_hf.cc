// Softmax over whole rows of scores, rounded where transformers' eager attention rounds: a probability is rounded after
// its division by the sum, so none is known before the last score. Memory grows with the keys.
#include <algorithm>

#include "cpu/attention_block.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kScoreFloats = std::size_t(1) << 20;  // for one thread, but for a row that alone needs more

class HfAttention {
 public:
  HfAttention(const Attention& call, Isa isa)
      : call_(call), isa_(isa), kernels_(kernels_of(isa).attention),
        groups_(call, std::clamp<std::size_t>(kScoreFloats / (call.past + call.tokens + 2 * kKeys), 1, kQueries), 1) {}

  void run() const {
    parallel_for(groups_.count(), 1, [&](std::size_t begin, std::size_t end) {
      thread_local Scratch memory, scores_memory;
      const std::size_t rows = groups_.heads() * groups_.rows(), floats = rows * call_.head_dim;
      float* const q = memory.need(2 * floats);
      for (std::size_t i = begin; i < end; ++i) {
        const QueryGroup group = groups_.at(i);
        const KeyRange keys = AttentionBlock(call_, isa_, group.block(0)).keys();
        // Rows begin and end at whole blocks of keys: then a sum over one does not depend on the rows beside it.
        const std::size_t base = keys.begin / kKeys * kKeys, width = (keys.end - base + kKeys - 1) / kKeys * kKeys;
        attend(group, {base, keys.end}, width, q, q + floats, scores_memory.need(rows * width));
      }
      memory.trim();
      scores_memory.trim();
    });
  }

 private:
  // Scores of row r of head h at (h * rows + r) * width; q and sums at (h * rows + r) * head_dim.
  void attend(const QueryGroup& group, KeyRange all, std::size_t width, float* q, float* sums, float* scores) const {
    const auto at = [&](std::size_t h, float* floats, std::size_t row) { return floats + h * groups_.rows() * row; };
    const std::size_t dim = call_.head_dim;
    const auto for_each_head = [&](auto&& body) {
      for (std::size_t h = 0; h < group.heads(); ++h) body(h, AttentionBlock(call_, isa_, group.block(h)));
    };
    for_each_head([&](std::size_t h, const AttentionBlock& block) { block.load_queries(at(h, q, dim)); });
    for (std::size_t base = all.begin; base < all.end; base += kKeys) {
      for_each_head([&](std::size_t h, const AttentionBlock& block) {
        const KeyRange keys = common(block.keys(), {base, base + kKeys});
        block.score(at(h, q, dim), keys, base, kKeys, at(h, scores, width) + (base - all.begin), width);
      });
    }
    for_each_head([&](std::size_t h, const AttentionBlock& block) {
      for (std::size_t r = 0; r < group.count; ++r) {
        float* const line = at(h, scores, width) + r * width;
        kernels_.probabilities[static_cast<int>(call_.dtype)](line, width, block.scale(), block.sink_of(r));
      }
    });
    std::fill(sums, sums + groups_.heads() * groups_.rows() * dim, 0.0f);
    for (std::size_t base = all.begin; base < all.end; base += kKeys) {
      for_each_head([&](std::size_t h, const AttentionBlock& block) {
        const KeyRange keys = common(block.keys(), {base, base + kKeys});
        block.mix(at(h, scores, width), width, all.begin, keys, at(h, sums, dim));
      });
    }
    for_each_head([&](std::size_t h, const AttentionBlock& block) {
      for (std::size_t r = 0; r < group.count; ++r) {
        kernels_.finish[static_cast<int>(call_.dtype)](at(h, sums, dim) + r * dim, 1.0f, block.out_of(r), dim);
      }
    });
  }

  const Attention& call_;
  const Isa isa_;
  const AttentionKernels& kernels_;
  const QueryGroups groups_;
};

}  // namespace

void attention_hf(const Attention& call, Isa isa) { HfAttention(call, isa).run(); }

}  // namespace qknorm
