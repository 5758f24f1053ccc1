// AttentionKernels, written once over Lanes.
#pragma once

#include "cpu/kernels.h"

namespace qknorm {

template <typename Lanes>
struct AttentionOver {
  using F32 = typename Lanes::F32;
  static constexpr std::size_t kLanes = Lanes::kLanes;
  static constexpr Dtype kF32 = Dtype::kF32;
  static_assert(kSoftmaxPad % kLanes == 0);

  // Where nothing has a weight yet, any finite peak will do: all weights are exp(-inf) = 0.
  static float finite_peak(float peak) { return peak == -__builtin_inff() ? 0.0f : peak; }

  static float exp_one(float x) {
    float lanes[kLanes];
    Lanes::template store<kF32>(lanes, 0, Lanes::exp(Lanes::splat(x)));
    return lanes[0];
  }

  static float weigh(float* scores, std::size_t n, float peak) {
    const F32 base = Lanes::splat(peak);
    F32 sum = Lanes::splat(0);
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 weight = Lanes::exp(Lanes::sub(Lanes::template load<kF32>(scores, i), base));
      Lanes::template store<kF32>(scores, i, weight);
      sum = Lanes::add(sum, weight);
    }
    return Lanes::reduce(sum);
  }

  static float absorb(float* scores, std::size_t n, float scale, SoftmaxState& state) {
    const F32 factor = Lanes::splat(scale);
    F32 peaks = Lanes::splat(state.peak);
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 score = Lanes::mul(Lanes::template load<kF32>(scores, i), factor);
      Lanes::template store<kF32>(scores, i, score);
      peaks = Lanes::max(score, peaks);
    }
    const float old = state.peak;
    state.peak = Lanes::reduce_max(peaks);
    const float base = finite_peak(state.peak);
    const float kept = state.peak == old ? 1.0f : exp_one(old - base);
    state.total = state.total * kept + weigh(scores, n, base);
    return kept;
  }

  static void rescale(float* x, std::size_t n, float factor) {
    const F32 by = Lanes::splat(factor);
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      Lanes::template store<kF32>(x, i, Lanes::mul(Lanes::template load<kF32>(x, i), by));
    }
    if (i < n) Lanes::template store_some<kF32>(x, i, Lanes::mul(Lanes::template load_some<kF32>(x, i, n - i), by), n - i);
  }

  static void merge(SoftmaxState& state, float* x, const SoftmaxState& other, const float* y, std::size_t n) {
    const float peak = state.peak > other.peak ? state.peak : other.peak;
    const float base = finite_peak(peak);
    const float mine = exp_one(state.peak - base), theirs = exp_one(other.peak - base);
    rescale(x, n, mine);
    const F32 by = Lanes::splat(theirs);
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const F32 sum = Lanes::muladd(Lanes::template load<kF32>(y, i), by, Lanes::template load<kF32>(x, i));
      Lanes::template store<kF32>(x, i, sum);
    }
    if (i < n) {
      const F32 more = Lanes::template load_some<kF32>(y, i, n - i);
      const F32 sum = Lanes::muladd(more, by, Lanes::template load_some<kF32>(x, i, n - i));
      Lanes::template store_some<kF32>(x, i, sum, n - i);
    }
    state = {peak, state.total * mine + other.total * theirs};
  }

  template <Dtype D>
  static void finish(const float* x, float total, void* out, std::size_t n) {
    const F32 by = Lanes::splat(total);
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      Lanes::template store<D>(out, i, Lanes::div(Lanes::template load<kF32>(x, i), by));
    }
    if (i < n) {
      Lanes::template store_some<D>(out, i, Lanes::div(Lanes::template load_some<kF32>(x, i, n - i), by), n - i);
    }
  }

  template <Dtype D>
  static void probabilities(float* scores, std::size_t n, float scale) {
    const F32 factor = Lanes::splat(scale);
    F32 peaks = Lanes::splat(-__builtin_inff());
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 dot = Lanes::template round_to<D>(Lanes::template load<kF32>(scores, i));
      const F32 score = Lanes::template round_to<D>(Lanes::mul(dot, factor));
      Lanes::template store<kF32>(scores, i, score);
      peaks = Lanes::max(score, peaks);
    }
    const F32 total = Lanes::splat(weigh(scores, n, finite_peak(Lanes::reduce_max(peaks))));
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 share = Lanes::div(Lanes::template load<kF32>(scores, i), total);
      Lanes::template store<kF32>(scores, i, Lanes::template round_to<D>(share));
    }
  }

  static constexpr AttentionKernels kTable = {
      absorb,
      rescale,
      merge,
      {finish<Dtype::kF32>, finish<Dtype::kBf16>, finish<Dtype::kF16>},
      {probabilities<Dtype::kF32>, probabilities<Dtype::kBf16>, probabilities<Dtype::kF16>},
  };
};

}  // namespace qknorm
