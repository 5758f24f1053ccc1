// A row seen as groups of two registers, and the sums over it. Part of the kernel: see qk_norm.h.
#pragma once

#include <cstddef>
#include <cstring>

#include "cpu/qk_norm_affine.h"

namespace qknorm {

template <class S>
struct F32Codec {
  using Element = float;
  using Packed = typename S::F32;
  static constexpr bool kInterleaved = false;
  static constexpr Element kOne = 1;

  static typename S::Pair load(const Element* p) { return {S::load(p), S::load(p + 16)}; }
  static void store(Element* p, const Packed& a, const Packed& b) {
    S::store(p, a);
    S::store(p + 16, b);
  }
  static Packed value(const Packed& x) { return x; }
};

// Rows of codec C on instruction set S.
template <class S, class C>
struct QkNormRow {
  using Element = typename C::Element;
  using Packed = typename C::Packed;
  using F64 = typename S::F64;
  using Pair = typename S::Pair;

  const Element* input;
  Element* output;
  std::size_t head;
  double mean;
  double scale;

  // Calls visit(pair, first element, elements) for each group of a row; the last one may be padded with zeros.
  template <bool kPrefetch = false, class Visit>
  static void each_group(const Element* x, std::size_t length, Visit visit) {
    Element padded[kGroup];
    for (std::size_t i = 0; i < length; i += kGroup) {
      const Element* group = x + i;
      std::size_t count = kGroup;
      if (length - i < kGroup) [[unlikely]] {
        count = length - i;
        std::memset(padded, 0, sizeof padded);
        std::memcpy(padded, group, count * sizeof(Element));
        group = padded;
      }
      // Two passes over each batch break the stride that the hardware would follow. A hint past the end is harmless.
      if constexpr (kPrefetch) __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kPrefetchBytes);
      visit(C::load(group), i, count);
    }
  }

  static void store(Element* y, std::size_t count, const Packed& a, const Packed& b) {
    if (count == kGroup) {
      C::store(y, a, b);
    } else {
      Element padded[kGroup];
      C::store(padded, a, b);
      std::memcpy(y, padded, count * sizeof(Element));
    }
  }

  static double sum(const Element* x, std::size_t length) {
    F64 a = S::splat64(0), b = a;
    each_group<true>(x, length, [&](const Pair& p, std::size_t, std::size_t) {
      a = S::add(a, S::widen(p.a));
      b = S::add(b, S::widen(p.b));
    });
    return S::reduce(S::add(a, b));
  }

  static double sum_of_squares(const Element* x, std::size_t length) {
    F64 a = S::splat64(0), b = a;
    each_group<true>(x, length, [&](const Pair& p, std::size_t, std::size_t) {
      a = S::add_exact_square(a, S::widen(p.a));
      b = S::add_exact_square(b, S::widen(p.b));
    });
    return S::reduce(S::add(a, b));
  }

  static double sum_of_squares(const Element* x, std::size_t length, double mean) {
    const F64 centre = S::splat64(mean);
    F64 a = S::splat64(0), b = a;
    each_group(x, length, [&](const Pair& p, std::size_t, std::size_t count) {
      F64 da = S::sub(S::widen(p.a), centre), db = S::sub(S::widen(p.b), centre);
      if (count < kGroup) {
        const Pair present = ones(count);  // the padding is no deviation
        da = S::mul(da, S::widen(present.a));
        db = S::mul(db, S::widen(present.b));
      }
      a = S::add(a, S::mul(da, da));
      b = S::add(b, S::mul(db, db));
    });
    return S::reduce(S::add(a, b));
  }

  static Pair ones(std::size_t count) {
    Element padded[kGroup] = {};
    for (std::size_t i = 0; i < count; ++i) padded[i] = C::kOne;
    return C::load(padded);
  }

  static Packed round(const F64& x) {
    if constexpr (sizeof(Element) == 4) {
      return S::narrow(x);
    } else {
      return C::round(S::narrow_to_odd(x));
    }
  }

 private:
  static constexpr std::size_t kPrefetchBytes = 4096;
};

}  // namespace qknorm
