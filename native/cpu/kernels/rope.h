// RopeKernels, written once over Lanes.
#pragma once

#include <cstddef>

#include "cpu/kernels.h"

namespace qknorm {

template <typename Lanes>
struct RopeOver {
  using F32 = typename Lanes::F32;

  // Products and sums apart, without fused multiply-add: f32 then agrees with transformers bit for bit.
  template <Dtype D, bool kHf>
  static F32 round_step(F32 x) {
    if constexpr (kHf) {
      return Lanes::template round_to<D>(x);
    } else {
      return x;
    }
  }

  template <Dtype D, bool kHf>
  static void turn(F32& x, F32& y, F32 cos, F32 sin) {
    const auto round = round_step<D, kHf>;
    cos = round(cos);
    sin = round(sin);
    const F32 turned = Lanes::sub(round(Lanes::mul(x, cos)), round(Lanes::mul(y, sin)));
    y = Lanes::add(round(Lanes::mul(y, cos)), round(Lanes::mul(x, sin)));
    x = turned;
  }

  template <Dtype D, bool kHf>
  static void turn_halves(void* x, void* y, const float* cos, const float* sin, std::size_t half) {
    std::size_t i = 0;
    for (; i + Lanes::kLanes <= half; i += Lanes::kLanes) {
      F32 a = Lanes::template load<D>(x, i), b = Lanes::template load<D>(y, i);
      turn<D, kHf>(a, b, Lanes::template load<Dtype::kF32>(cos, i), Lanes::template load<Dtype::kF32>(sin, i));
      Lanes::template store<D>(x, i, a);
      Lanes::template store<D>(y, i, b);
    }
    if (i == half) return;
    const std::size_t rest = half - i;
    F32 a = Lanes::template load_some<D>(x, i, rest), b = Lanes::template load_some<D>(y, i, rest);
    turn<D, kHf>(a, b, Lanes::template load_some<Dtype::kF32>(cos, i, rest),
                 Lanes::template load_some<Dtype::kF32>(sin, i, rest));
    Lanes::template store_some<D>(x, i, a, rest);
    Lanes::template store_some<D>(y, i, b, rest);
  }

  static constexpr RopeKernels kTable = {
      {turn_halves<Dtype::kF32, false>, turn_halves<Dtype::kBf16, false>, turn_halves<Dtype::kF16, false>},
      {turn_halves<Dtype::kF32, true>, turn_halves<Dtype::kBf16, true>, turn_halves<Dtype::kF16, true>},
  };
};

}  // namespace qknorm
