// The two ways to finish a row whose scale is known. Part of the kernel: see qk_norm.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/qk_norm_exact.h"
#include "cpu/kernels/qk_norm_row.h"

namespace qknorm {

// f64 arithmetic per element.
template <class S, class C, bool kCentredRow, bool kHf>
struct WideRow {
  using Row = QkNormRow<S, C>;
  using F32 = typename S::F32;
  using F64 = typename S::F64;
  using Pair = typename S::Pair;
  using Packed = typename C::Packed;

  static constexpr bool kCentred = kCentredRow;

  static void finish(const NormSide& side, const NormAffine& affine, const Row& row) {
    const F64 centre = S::splat64(row.mean), scale = S::splat64(row.scale);
    const double* gain = affine.gain + row.head * affine.head_stride;
    const double* bias = affine.bias == nullptr ? nullptr : affine.bias + row.head * affine.head_stride;
    const auto half = [&](const F32& x, std::size_t at) {
      F64 n = S::widen(x);
      if constexpr (kCentred) n = S::sub(n, centre);
      n = S::mul(n, scale);
      if constexpr (kHf) n = S::widen(C::value(Row::round(n)));
      n = S::mul(n, S::load(gain + at));
      if (bias == nullptr) return Row::round(n);
      if constexpr (kHf) n = S::widen(C::value(Row::round(n)));
      return Row::round(S::add(n, S::load(bias + at)));
    };
    Row::each_group(row.input, side.head_dim, [&](const Pair& x, std::size_t i, std::size_t count) {
      const Packed a = half(x.a, i);
      Row::store(row.output + i, count, a, half(x.b, i + kGroup / 2));
    });
  }
};

// f32 arithmetic per element, and f64 for those that it leaves in doubt. Exact products: see NormAffine.
template <class S, class C, bool kHf, bool kExactProducts>
struct FastRow {
  using Row = QkNormRow<S, C>;
  using F32 = typename S::F32;
  using Pair = typename S::Pair;
  using Element = typename C::Element;
  using Packed = typename C::Packed;

  static constexpr bool kCentred = false;
  static constexpr std::size_t kSecond = C::kInterleaved ? 1 : kGroup / 2;  // the first element of the second register
  // f32 units in the last place that lie between an element before its doubtful rounding and the f64 value: the
  // rounded scale and one product, below 2; those, the rounded weight and another product, below 4.
  static constexpr int kUlps = kHf ? 2 : 4;
  static constexpr int kProductUlps = 2;  // with hf, a normalized value times the rounded weight: below 2
  using Nearby = typename C::Nearby;

  static void finish(const NormSide& side, const NormAffine& affine, const Row& row) {
    // Not so for infinities, NaN, and rows that are next to nothing with next to no eps.
    if (!(row.scale >= kLeastFastScale && row.scale <= kMostFastScale)) {
      return exact_row(side, row.head, row.input, row.output, row.scale);
    }
    const F32 scale = S::splat(static_cast<float>(kHf ? row.scale : row.scale * kFastShift));
    const float* gains = affine.fast_gain + row.head * affine.head_stride;
    Row::each_group(row.input, side.head_dim, [&](const Pair& x, std::size_t i, std::size_t count) {
      const F32 gain_a = S::load(gains + i), gain_b = S::load(gains + i + kGroup / 2);
      F32 ya = S::mul(x.a, scale), yb = S::mul(x.b, scale);
      if constexpr (!kHf) {
        ya = S::mul(ya, gain_a);
        yb = S::mul(yb, gain_b);
      }
      const Nearby near_a = C::template round_nearby<kUlps>(ya), near_b = C::template round_nearby<kUlps>(yb);
      Packed a = near_a.rounded, b = near_b.rounded;
      if (C::template any_doubtful<kUlps>(near_a, near_b)) [[unlikely]] {
        a = settle<kUlps>(x.a, near_a, first_step(side, row, i));
        b = settle<kUlps>(x.b, near_b, first_step(side, row, i + kSecond));
      }
      if constexpr (kHf && kExactProducts) {
        a = C::round(S::mul(C::value(a), gain_a));
        b = C::round(S::mul(C::value(b), gain_b));
      } else if constexpr (kHf) {
        const F32 na = C::value(a), nb = C::value(b);
        const Nearby product_a = C::template round_nearby<kProductUlps>(S::mul(na, gain_a));
        const Nearby product_b = C::template round_nearby<kProductUlps>(S::mul(nb, gain_b));
        a = product_a.rounded;
        b = product_b.rounded;
        if (C::template any_doubtful<kProductUlps>(product_a, product_b)) [[unlikely]] {
          a = settle<kProductUlps>(na, product_a, {side, row.head, i, 1});
          b = settle<kProductUlps>(nb, product_b, {side, row.head, i + kSecond, 1});
        }
      }
      Row::store(row.output + i, count, a, b);
    });
  }

  // The step before a rounding, in f64: x * scale, and times the weight unless hf rounds in between.
  struct Step {
    const NormSide& side;
    std::size_t head, first;
    double scale;
    bool weighted = true;
  };
  static Step first_step(const NormSide& side, const Row& row, std::size_t first) {
    return {side, row.head, first, row.scale, !kHf};
  }

  // By value: an address taken here would keep the lanes in memory on the way that is always taken.
  template <int kDoubt>
  [[gnu::noinline, gnu::cold]] static Packed settle(F32 x, Nearby nearby, Step step) {
    constexpr std::size_t kStride = C::kInterleaved ? 2 : 1;
    float values[kGroup / 2];
    Element lanes[kGroup / 2];
    S::store(values, x);
    C::spill(nearby.rounded, lanes);
    for (auto doubtful = C::template doubtful_lanes<kDoubt>(nearby); doubtful != 0; doubtful &= doubtful - 1) {
      const int lane = __builtin_ctz(doubtful);
      const std::size_t i = step.first + lane * kStride;
      lanes[lane] = step.weighted ? exact_weighted(step.side, step.head, i, values[lane], step.scale)
                                  : exact_normalized(step.side.dtype, values[lane], step.scale);
    }
    return C::fill(lanes);
  }
};

}  // namespace qknorm
