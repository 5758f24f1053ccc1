#include "cpu/qk_norm_rope.h"

#include <algorithm>
#include <cstring>

#include "cpu/kernels.h"
#include "cpu/qk_norm_affine.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGrainBytes = 64 * 1024;  // worth another thread, of q and k
constexpr std::size_t kTurnBytes = 16 * 1024;   // of q, k and v together: what comes out has to fit beside it

// One of q and k, ready to run.
class SideRun {
 public:
  SideRun(const ChainSide& side, ChainOrder order, Isa isa)
      : side_(side), isa_(isa), rope_first_(order == ChainOrder::kRopeNorm), norm_(side.norm) {
    if (norm_.heads == 0) return;
    if (side.normalizes) affine_ = prepare_affine(norm_);
    copies_ = norm_.input != norm_.output && (!side.normalizes || rope_first_);
    if (copies_ || rope_first_) {
      norm_.input = norm_.output;
      norm_.input_token_stride = norm_.output_token_stride;
      norm_.input_head_stride = norm_.output_head_stride;
    }
  }

  void operator()(std::size_t begin, std::size_t end) const {
    if (norm_.heads == 0) return;
    if (copies_) copy(begin, end);
    if (rope_first_) turn(begin, end);
    if (side_.normalizes) kernels_of(isa_).qk_norm(norm_, affine_, begin, end);
    if (!rope_first_) turn(begin, end);
  }

 private:
  void turn(std::size_t begin, std::size_t end) const {
    if (side_.rope.half > 0) rope_tokens(side_.rope, begin, end, isa_);
  }

  void copy(std::size_t begin, std::size_t end) const {
    const NormSide& from = side_.norm;
    const std::size_t row_bytes = from.head_dim * bytes_of(from.dtype);
    for (std::size_t token = begin; token < end; ++token) {
      const char* input = from.input + token * from.input_token_stride;
      char* output = from.output + token * from.output_token_stride;
      for (std::size_t head = 0; head < from.heads; ++head) {
        std::memcpy(output + head * from.output_head_stride, input + head * from.input_head_stride, row_bytes);
      }
    }
  }

  const ChainSide& side_;
  const Isa isa_;
  const bool rope_first_;
  bool copies_ = false;
  NormSide norm_;
  NormAffine affine_;
};

std::size_t bytes_of_token(const NormSide& side) { return side.heads * side.head_dim * bytes_of(side.dtype); }

}  // namespace

void qk_norm_rope(const QkNormRope& call, Isa isa) {
  const SideRun q(call.sides[0], call.order, isa), k(call.sides[1], call.order, isa);
  const std::size_t written = bytes_of_token(call.sides[0].norm) + bytes_of_token(call.sides[1].norm);
  const std::size_t stored = call.stores ? call.write.heads * call.write.head_dim * bytes_of(call.write.dtype) : 0;
  if (call.tokens == 0 || written + stored == 0) return;
  const std::size_t turn = std::max<std::size_t>(kTurnBytes / (written + stored), 1);
  const bool in_order = call.stores && shares_slots(call.write);
  const std::size_t grain = in_order ? call.tokens : std::max<std::size_t>(kGrainBytes / (written + stored), 1);
  parallel_for(call.tokens, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t first = begin; first < end; first += turn) {
      const std::size_t last = std::min(first + turn, end);
      q(first, last);
      k(first, last);
      if (call.stores) write_cache_tokens(call.write, first, last, isa);
    }
  });
}

}  // namespace qknorm
