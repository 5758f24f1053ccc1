// ElementwiseKernels, written once over Lanes.
#pragma once

#include <cstddef>

#include "cpu/kernels.h"

namespace qknorm {

template <typename Lanes>
struct ElementwiseOver {
  using F32 = typename Lanes::F32;
  static constexpr std::size_t kLanes = Lanes::kLanes;

  // By exp(-|x|), which cannot overflow: x / (1 + e) above zero, x * e / (1 + e) below.
  static F32 silu(F32 x) {
    const F32 e = Lanes::exp(Lanes::negative_magnitude(x));
    const F32 part = Lanes::div(x, Lanes::add(Lanes::splat(1), e));
    return Lanes::select_negative(x, Lanes::mul(part, e), part);
  }

  template <Dtype D, bool kHf>
  static F32 silu_product(F32 gate, F32 up) {
    F32 x = silu(gate);
    if constexpr (kHf) x = Lanes::template round_to<D>(x);
    return Lanes::mul(x, up);
  }

  template <Dtype D, bool kHf>
  static void silu_mul(const void* gate, const void* up, void* out, std::size_t n) {
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const F32 x = Lanes::template load<D>(gate, i), y = Lanes::template load<D>(up, i);
      Lanes::template store<D>(out, i, silu_product<D, kHf>(x, y));
    }
    if (i == n) return;
    const F32 x = Lanes::template load_some<D>(gate, i, n - i), y = Lanes::template load_some<D>(up, i, n - i);
    Lanes::template store_some<D>(out, i, silu_product<D, kHf>(x, y), n - i);
  }

  template <Dtype D, F32 (*kOf)(F32, F32)>
  static void binary(const void* a, const void* b, void* out, std::size_t n) {
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const F32 x = Lanes::template load<D>(a, i), y = Lanes::template load<D>(b, i);
      Lanes::template store<D>(out, i, kOf(x, y));
    }
    if (i == n) return;
    const F32 x = Lanes::template load_some<D>(a, i, n - i), y = Lanes::template load_some<D>(b, i, n - i);
    Lanes::template store_some<D>(out, i, kOf(x, y), n - i);
  }

  static F32 sum(F32 x, F32 y) { return Lanes::add(x, y); }
  static F32 product(F32 x, F32 y) { return Lanes::mul(x, y); }

  // Of a number and a second one that all share.
  template <Dtype D, F32 (*kOf)(F32, F32)>
  static void with(const void* x, void* out, std::size_t n, float number) {
    const F32 other = Lanes::splat(number);
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      Lanes::template store<D>(out, i, kOf(Lanes::template load<D>(x, i), other));
    }
    if (i < n) Lanes::template store_some<D>(out, i, kOf(Lanes::template load_some<D>(x, i, n - i), other), n - i);
  }

  // The second of two that are unordered: a NaN stays one.
  static F32 above(F32 x, F32 zero) { return Lanes::max(zero, x); }
  static F32 squared_above(F32 x, F32 zero) {
    const F32 y = Lanes::max(zero, x);
    return Lanes::mul(y, y);
  }

  template <Dtype D, F32 (*kOf)(F32, F32)>
  static void beside_zero(const void* x, void* out, std::size_t n) {
    with<D, kOf>(x, out, n, 0);
  }

  template <Dtype From, Dtype To>
  static void convert(const void* from, void* to, std::size_t n) {
    std::size_t i = 0;
    for (; i + kLanes <= n; i += kLanes) Lanes::template store<To>(to, i, Lanes::template load<From>(from, i));
    if (i < n) Lanes::template store_some<To>(to, i, Lanes::template load_some<From>(from, i, n - i), n - i);
  }

  static constexpr Dtype kF32 = Dtype::kF32, kBf16 = Dtype::kBf16, kF16 = Dtype::kF16;
  static constexpr ElementwiseKernels kTable = {
      {silu_mul<kF32, false>, silu_mul<kBf16, false>, silu_mul<kF16, false>},
      {silu_mul<kF32, true>, silu_mul<kBf16, true>, silu_mul<kF16, true>},
      {binary<kF32, sum>, binary<kBf16, sum>, binary<kF16, sum>},
      {binary<kF32, product>, binary<kBf16, product>, binary<kF16, product>},
      {with<kF32, product>, with<kBf16, product>, with<kF16, product>},
      {beside_zero<kF32, above>, beside_zero<kBf16, above>, beside_zero<kF16, above>},
      {beside_zero<kF32, squared_above>, beside_zero<kBf16, squared_above>, beside_zero<kF16, squared_above>},
      {{convert<kF32, kF32>, convert<kF32, kBf16>, convert<kF32, kF16>},
       {convert<kBf16, kF32>, convert<kBf16, kBf16>, convert<kBf16, kF16>},
       {convert<kF16, kF32>, convert<kF16, kBf16>, convert<kF16, kF16>}},
  };
};

}  // namespace qknorm
