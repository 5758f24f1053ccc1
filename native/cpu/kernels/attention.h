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

  static float first(F32 x) {
    float lanes[kLanes];
    Lanes::template store<kF32>(lanes, 0, x);
    return lanes[0];
  }

  static float exp_one(float x) { return first(Lanes::exp(Lanes::splat(x))); }

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

  // Within 2 ulp; -1 and 1 at the infinities. Near zero, where (1 - e) / (1 + e) loses digits, x + x^3 * p(x^2) with the
  // least relative error up to 5/8.
  static F32 tanh(F32 x) {
    const F32 minus = Lanes::negative_magnitude(x), square = Lanes::mul(x, x), one = Lanes::splat(1);
    F32 p = Lanes::splat(-5.71704516e-3f);
    p = Lanes::muladd(p, square, Lanes::splat(2.0650588e-2f));
    p = Lanes::muladd(p, square, Lanes::splat(-5.37434965e-2f));
    p = Lanes::muladd(p, square, Lanes::splat(1.33314908e-1f));
    p = Lanes::muladd(p, square, Lanes::splat(-3.33332837e-1f));
    const F32 near = Lanes::muladd(Lanes::mul(p, square), x, x);
    const F32 e = Lanes::exp(Lanes::add(minus, minus));
    const F32 size = Lanes::div(Lanes::sub(one, e), Lanes::add(one, e));
    const F32 far = Lanes::select_negative(x, Lanes::sub(Lanes::splat(0), size), size);
    return Lanes::select_negative(Lanes::add(minus, Lanes::splat(0.625f)), far, near);
  }

  template <Dtype D>
  static F32 softened(F32 dot, F32 scale, F32 cap) {
    const auto round = Lanes::template round_to<D>;
    const F32 share = round(Lanes::div(round(Lanes::mul(round(dot), scale)), cap));
    return round(Lanes::mul(round(tanh(share)), cap));
  }

  template <Dtype D>
  static void soften(float* scores, std::size_t n, float scale, float cap) {
    const F32 by = Lanes::splat(scale), most = Lanes::splat(cap);
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      Lanes::template store<kF32>(scores, i, softened<D>(Lanes::template load<kF32>(scores, i), by, most));
    }
    if (i == n) return;
    const F32 last = softened<D>(Lanes::template load_some<kF32>(scores, i, n - i), by, most);
    Lanes::template store_some<kF32>(scores, i, last, n - i);
  }

  // scores - peak, rounded; returns the weight of the sink.
  template <Dtype D>
  static float lower(float* scores, std::size_t n, float peak, float sink) {
    const F32 base = Lanes::splat(peak);
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 score = Lanes::sub(Lanes::template load<kF32>(scores, i), base);
      Lanes::template store<kF32>(scores, i, Lanes::template round_to<D>(score));
    }
    const F32 lowered = Lanes::template round_to<D>(Lanes::sub(Lanes::splat(sink), base));
    return exp_one(first(lowered));
  }

  template <Dtype D>
  static void probabilities(float* scores, std::size_t n, float scale, const float* sink) {
    const F32 factor = Lanes::splat(scale);
    F32 peaks = Lanes::splat(-__builtin_inff());
    for (std::size_t i = 0; i < n; i += kLanes) {
      const F32 dot = Lanes::template round_to<D>(Lanes::template load<kF32>(scores, i));
      const F32 score = Lanes::template round_to<D>(Lanes::mul(dot, factor));
      Lanes::template store<kF32>(scores, i, score);
      peaks = Lanes::max(score, peaks);
    }
    float peak = finite_peak(Lanes::reduce_max(peaks)), weight_of_sink = 0;
    if (sink != nullptr) {
      const float rounded = first(Lanes::template round_to<D>(Lanes::splat(*sink)));
      weight_of_sink = lower<D>(scores, n, rounded > peak ? rounded : peak, rounded);
      peak = 0;
    }
    const F32 total = Lanes::splat(weigh(scores, n, peak) + weight_of_sink);
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
      {soften<Dtype::kF32>, soften<Dtype::kBf16>, soften<Dtype::kF16>},
  };
};

}  // namespace qknorm
