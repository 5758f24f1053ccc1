#include "cpu/rope.h"

#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kGrain = 16384;  // values that are worth another thread

template <typename Element>
void part(const Element* pairs, Element* halves, std::size_t half) {
  for (std::size_t i = 0; i < half; ++i) {
    halves[i] = pairs[2 * i];
    halves[half + i] = pairs[2 * i + 1];
  }
}

template <typename Element>
void join(const Element* halves, Element* pairs, std::size_t half) {
  for (std::size_t i = 0; i < half; ++i) {
    pairs[2 * i] = halves[i];
    pairs[2 * i + 1] = halves[half + i];
  }
}

// Through a copy in halves: few models interleave, and none spends its time here.
template <typename Element>
void turn_pairs(RopeKernels::Turn turn, void* x, const float* cos, const float* sin, std::size_t half, void* copy) {
  part(static_cast<const Element*>(x), static_cast<Element*>(copy), half);
  turn(copy, static_cast<Element*>(copy) + half, cos, sin, half);
  join(static_cast<const Element*>(copy), static_cast<Element*>(x), half);
}

}  // namespace

void rope_tokens(const Rope& call, std::size_t begin, std::size_t end, Isa isa) {
  const RopeKernels& kernels = kernels_of(isa).rope;
  const auto& by_dtype = call.rounding == RopeRounding::kHf ? kernels.hf : kernels.once;
  const RopeKernels::Turn turn = by_dtype[static_cast<int>(call.dtype)];
  const std::size_t bytes = bytes_of(call.dtype);
  thread_local Scratch memory;
  void* const copy = call.layout == RopeLayout::kInterleaved ? memory.need(2 * call.half) : nullptr;
  for (std::size_t t = begin; t < end; ++t) {
    const std::size_t row = static_cast<std::size_t>(call.positions[t]) * call.half;
    const float *const cos = call.cos + row, *const sin = call.sin + row;
    for (std::size_t h = 0; h < call.heads; ++h) {
      auto* const x = static_cast<unsigned char*>(call.x) + (t * call.token_stride + h * call.head_stride) * bytes;
      if (copy == nullptr) {
        turn(x, x + call.half * bytes, cos, sin, call.half);
      } else if (bytes == sizeof(float)) {
        turn_pairs<float>(turn, x, cos, sin, call.half, copy);
      } else {
        turn_pairs<std::uint16_t>(turn, x, cos, sin, call.half, copy);
      }
    }
  }
}

void rope(const Rope& call, Isa isa) {
  if (call.tokens == 0 || call.heads == 0 || call.half == 0) return;
  const std::size_t grain = kGrain / (call.heads * call.half) + 1;
  parallel_for(call.tokens, grain, [&](std::size_t begin, std::size_t end) { rope_tokens(call, begin, end, isa); });
}

}  // namespace qknorm
