// The one kernel, written against sixteen virtual lanes and compiled once per instruction set. All of them
// give the same bits: lanes and the order of additions are fixed, and nothing is contracted.
//
// Sums are f64; the squares of bf16, f16 and f32 are exact there. Two ways to finish a row:
//   wide  f64 arithmetic per element, rounded through round-to-odd. Everything can take it.
//   fast  bf16 and f16, all but layer, no bias. f32 arithmetic is off by a few f32 units in the last place, which
//         changes the result only next to a rounding boundary. Such elements, about one bf16 in ten thousand and one
//         f16 in a thousand, are noticed and computed again in f64. The result is the wide path's at a fraction of
//         its cost. With hf that holds for each of the two roundings; products with weights of few bits need no
//         such care.
#pragma once

#include <cmath>
#include <cstddef>

#include "cpu/qk_norm_affine.h"
#include "cpu/kernels/qk_norm_finish.h"
#include "cpu/kernels/qk_norm_row.h"

namespace qknorm {

// Rows of codec C on instruction set S.
template <class S, class C>
class QkNormRows {
 public:
  static void run(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
    const bool hf = side.rounding == NormRounding::kHf;
    if constexpr (kHasFastPath) {
      if (affine.fast_gain != nullptr) {
        if (!hf) return each_batch<FastRow<S, C, false, false>>(side, affine, begin, end);
        return affine.exact_products ? each_batch<FastRow<S, C, true, true>>(side, affine, begin, end)
                                     : each_batch<FastRow<S, C, true, false>>(side, affine, begin, end);
      }
    }
    if (side.kind == NormKind::kLayer) {
      hf ? each_batch<WideRow<S, C, true, true>>(side, affine, begin, end)
         : each_batch<WideRow<S, C, true, false>>(side, affine, begin, end);
    } else {
      hf ? each_batch<WideRow<S, C, false, true>>(side, affine, begin, end)
         : each_batch<WideRow<S, C, false, false>>(side, affine, begin, end);
    }
  }

 private:
  using Element = typename C::Element;
  using Row = QkNormRow<S, C>;

  static constexpr bool kHasFastPath = sizeof(Element) == 2;
  // Rows whose roots and divisions run side by side; those of a single row take as long as the rest of its work.
  static constexpr std::size_t kBatch = 8;
  // Rows are read twice, the second time after those of another batch: two batches must fit the first-level cache.
  static constexpr std::size_t kBatchBytes = 12288;

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
    if (side.kind == NormKind::kUnit) {
      for (std::size_t r = 0; r < kBatch; ++r) {
        const double root = std::sqrt(writing.sums[r]);
        scales[r] = 1 / (root < side.eps ? side.eps : root);  // NaN stays
      }
    } else {
      for (std::size_t r = 0; r < kBatch; ++r) scales[r] = 1 / std::sqrt(writing.sums[r] / divisor + side.eps);
    }

    for (std::size_t r = 0; r < reading.count; ++r) {
      Row& row = reading.rows[r];
      if constexpr (Finish::kCentred) {
        row.mean = Row::sum(row.input, side.head_dim) / length;
        reading.sums[r] = Row::sum_of_squares(row.input, side.head_dim, row.mean);
      } else {
        reading.sums[r] = Row::sum_of_squares(row.input, side.head_dim);
      }
    }

    for (std::size_t r = 0; r < writing.count; ++r) {
      writing.rows[r].scale = scales[r];
      Finish::finish(side, affine, writing.rows[r]);
    }
    writing.count = 0;
  }
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
