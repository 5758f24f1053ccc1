// The one kernel, written against sixteen virtual lanes and compiled once per instruction set (qk_norm_scalar.cc,
// qk_norm_avx2.cc, qk_norm_avx512.cc). All of them give the same bits: lanes and the order of additions are fixed,
// and nothing is contracted.
//
// Sums are f64; the squares of bf16, f16 and f32 are exact there. Two ways to finish a row:
//   wide  f64 arithmetic per element, rounded through round-to-odd. Everything can take it.
//   fast  bf16 and f16, rms and l2, no bias. f32 arithmetic is off by a few f32 units in the last place, which
//         changes the bf16 or f16 result only next to a rounding boundary. Such elements, about one in five
//         thousand, are noticed and computed again in f64. The result is the wide path's at a fraction of its cost.
//         (A product n * weight of more than 24 bits, which bf16 and f16 weights do not give, is rounded to f32 first.)
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu/qk_norm_affine.h"
#include "cpu/qk_norm_exact.h"

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
class QkNormRows {
 public:
  static void run(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
    const bool hf = side.rounding == NormRounding::kHf;
    if constexpr (kHasFastPath) {
      if (affine.fast_gain != nullptr) {
        return hf ? each_batch<FastRow<true>>(side, affine, begin, end)
                  : each_batch<FastRow<false>>(side, affine, begin, end);
      }
    }
    if (side.kind == NormKind::kLayer) {
      hf ? each_batch<WideRow<true, true>>(side, affine, begin, end)
         : each_batch<WideRow<true, false>>(side, affine, begin, end);
    } else {
      hf ? each_batch<WideRow<false, true>>(side, affine, begin, end)
         : each_batch<WideRow<false, false>>(side, affine, begin, end);
    }
  }

 private:
  using Element = typename C::Element;
  using Packed = typename C::Packed;
  using F32 = typename S::F32;
  using F64 = typename S::F64;
  using Pair = typename S::Pair;

  static constexpr bool kHasFastPath = sizeof(Element) == 2;
  // Rows whose roots and divisions run side by side; those of a single row take as long as the rest of its work.
  static constexpr std::size_t kBatch = 8;
  // Rows are read twice, the second time after those of another batch: two batches must fit the first-level cache.
  static constexpr std::size_t kBatchBytes = 12288;
  static constexpr std::size_t kPrefetchBytes = 4096;

  struct Row {
    const Element* input;
    Element* output;
    std::size_t head;
    double mean;
    double scale;
  };

  struct Batch {
    Row rows[kBatch];
    double sums[kBatch] = {};
    std::size_t count = 0;
  };

  template <class Finish>
  static void each_batch(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
    const std::size_t fitting = kBatchBytes / (side.head_dim * sizeof(Element));
    const std::size_t capacity = fitting < 1 ? 1 : fitting < kBatch ? fitting : kBatch;
    Batch batches[2];
    Batch *reading = &batches[0], *writing = &batches[1];
    const auto advance = [&] {
      step<Finish>(side, affine, *reading, *writing);
      Batch* const written = writing;
      writing = reading;
      reading = written;
    };
    for (std::size_t token = begin; token < end; ++token) {
      const char* input = side.input + token * side.input_token_stride;
      char* output = side.output + token * side.output_token_stride;
      for (std::size_t head = 0; head < side.heads; ++head) {
        reading->rows[reading->count++] = {reinterpret_cast<const Element*>(input), reinterpret_cast<Element*>(output),
                                           head, 0, 0};
        input += side.input_head_stride;
        output += side.output_head_stride;
        if (reading->count == capacity) advance();
      }
    }
    advance();
    advance();
  }

  // Sums the rows of one batch and finishes those of the batch before it. The first half of that finish, roots and
  // divisions, takes as long as eight sums: the processor does both at once.
  // Flat: a call in the middle of a row would spill all sixteen lanes to memory.
  template <class Finish>
  [[gnu::flatten]] static void step(const NormSide& side, const NormAffine& affine, Batch& reading, Batch& writing) {
    const double length = static_cast<double>(side.head_dim);
    const double divisor = side.kind == NormKind::kL2 ? 1 : length;
    double scales[kBatch];
    for (std::size_t r = 0; r < kBatch; ++r) scales[r] = 1 / std::sqrt(writing.sums[r] / divisor + side.eps);

    for (std::size_t r = 0; r < reading.count; ++r) {
      Row& row = reading.rows[r];
      if constexpr (Finish::kCentred) {
        row.mean = sum(row.input, side.head_dim) / length;
        reading.sums[r] = sum_of_squares(row.input, side.head_dim, row.mean);
      } else {
        reading.sums[r] = sum_of_squares(row.input, side.head_dim);
      }
    }

    for (std::size_t r = 0; r < writing.count; ++r) {
      writing.rows[r].scale = scales[r];
      Finish::finish(side, affine, writing.rows[r]);
    }
    writing.count = 0;
  }

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

  template <bool kCentredRow, bool kHf>
  struct WideRow {
    static constexpr bool kCentred = kCentredRow;

    static void finish(const NormSide& side, const NormAffine& affine, const Row& row) {
      const F64 centre = S::splat64(row.mean), scale = S::splat64(row.scale);
      const double* gain = affine.gain + row.head * affine.head_stride;
      const double* bias = affine.bias == nullptr ? nullptr : affine.bias + row.head * affine.head_stride;
      const auto half = [&](const F32& x, std::size_t at) {
        F64 n = S::widen(x);
        if constexpr (kCentred) n = S::sub(n, centre);
        n = S::mul(n, scale);
        if constexpr (kHf) n = S::widen(C::value(round(n)));
        n = S::mul(n, S::load(gain + at));
        if (bias == nullptr) return round(n);
        if constexpr (kHf) n = S::widen(C::value(round(n)));
        return round(S::add(n, S::load(bias + at)));
      };
      each_group(row.input, side.head_dim, [&](const Pair& x, std::size_t i, std::size_t count) {
        const Packed a = half(x.a, i);
        store(row.output + i, count, a, half(x.b, i + kGroup / 2));
      });
    }
  };

  template <bool kHf>
  struct FastRow {
    static constexpr bool kCentred = false;
    // f32 units in the last place that lie between an element before its doubtful rounding and the f64 value: the
    // rounded scale and one product, below 2; those, the rounded weight and another product, below 4.
    static constexpr int kUlps = kHf ? 2 : 4;
    using Nearby = typename C::Nearby;

    static void finish(const NormSide& side, const NormAffine& affine, const Row& row) {
      // Not so for infinities, NaN, and rows that are next to nothing with next to no eps.
      if (!(row.scale >= kLeastFastScale && row.scale <= kMostFastScale)) {
        return exact_row(side, row.head, row.input, row.output, row.scale);
      }
      const F32 scale = S::splat(static_cast<float>(kHf ? row.scale : row.scale * kFastShift));
      const float* gains = affine.fast_gain + row.head * affine.head_stride;
      each_group(row.input, side.head_dim, [&](const Pair& x, std::size_t i, std::size_t count) {
        const F32 gain_a = S::load(gains + i), gain_b = S::load(gains + i + kGroup / 2);
        F32 ya = S::mul(x.a, scale), yb = S::mul(x.b, scale);
        if constexpr (!kHf) {
          ya = S::mul(ya, gain_a);
          yb = S::mul(yb, gain_b);
        }
        const Nearby near_a = C::template round_nearby<kUlps>(ya), near_b = C::template round_nearby<kUlps>(yb);
        Packed a = near_a.rounded, b = near_b.rounded;
        if (C::template any_doubtful<kUlps>(near_a, near_b)) [[unlikely]] {
          a = settle(side, row, x.a, i, near_a);
          b = settle(side, row, x.b, i + (C::kInterleaved ? 1 : kGroup / 2), near_b);
        }
        if constexpr (kHf) {
          a = C::round(S::mul(C::value(a), gain_a));
          b = C::round(S::mul(C::value(b), gain_b));
        }
        store(row.output + i, count, a, b);
      });
    }

    // By value: an address taken here would keep the lanes in memory on the way that is always taken.
    [[gnu::noinline, gnu::cold]] static Packed settle(const NormSide& side, const Row& row, F32 x, std::size_t first,
                                                      Nearby nearby) {
      constexpr std::size_t kStep = C::kInterleaved ? 2 : 1;
      float values[kGroup / 2];
      Element lanes[kGroup / 2];
      S::store(values, x);
      C::spill(nearby.rounded, lanes);
      for (auto doubtful = C::template doubtful_lanes<kUlps>(nearby); doubtful != 0; doubtful &= doubtful - 1) {
        const int lane = __builtin_ctz(doubtful);
        lanes[lane] = kHf ? exact_normalized(side.dtype, values[lane], row.scale)
                          : exact_weighted(side, row.head, first + lane * kStep, values[lane], row.scale);
      }
      return C::fill(lanes);
    }
  };
};

template <class S>
void qk_norm_tokens(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
  switch (side.dtype) {
    case Dtype::kF32:
      return QkNormRows<S, F32Codec<S>>::run(side, affine, begin, end);
    case Dtype::kBf16:
      return QkNormRows<S, typename S::Bf16>::run(side, affine, begin, end);
    case Dtype::kF16:
      return QkNormRows<S, typename S::F16>::run(side, affine, begin, end);
  }
}

}  // namespace qknorm
