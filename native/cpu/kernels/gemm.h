// GemmKernels, written once over Lanes.
#pragma once

#include "cpu/kernels.h"
#include "cpu/kernels/dot.h"
#include "cpu/kernels/prefetch.h"

namespace qknorm {

template <typename Lanes>
struct GemmOver {
  using F32 = typename Lanes::F32;
  static constexpr std::size_t kLanes = Lanes::kLanes;
  static constexpr std::size_t kMixRows = kLanes >= 16 ? 4 : 2;

  // R rows by V vectors of the output stay in registers while all of v passes; the first rows bring it closer.
  template <Dtype D, std::size_t R, std::size_t V>
  static void mix_tile(const float* p, std::size_t p_stride, const void* v, std::size_t v_stride, std::size_t count,
                       std::size_t at, float* out, std::size_t out_stride, bool first) {
    F32 acc[R][V];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (std::size_t i = 0; i < V; ++i) {
        acc[r][i] = Lanes::template load<Dtype::kF32>(out, r * out_stride + at + i * kLanes);
      }
    }
    for (std::size_t j = 0; j < count; ++j) {
      if (first) prefetch(v, ((kRowsAhead + j) * v_stride + at) * bytes_of(D), V * kLanes * bytes_of(D));
      F32 row[V];
#pragma GCC unroll 4
      for (std::size_t i = 0; i < V; ++i) row[i] = Lanes::template load<D>(v, j * v_stride + at + i * kLanes);
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) {
        const F32 weight = Lanes::splat(p[r * p_stride + j]);
#pragma GCC unroll 4
        for (std::size_t i = 0; i < V; ++i) acc[r][i] = Lanes::muladd(weight, row[i], acc[r][i]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (std::size_t i = 0; i < V; ++i) {
        Lanes::template store<Dtype::kF32>(out, r * out_stride + at + i * kLanes, acc[r][i]);
      }
    }
  }

  template <Dtype D, std::size_t R>
  static void mix_rows(const float* p, std::size_t p_stride, const void* v, std::size_t v_stride, std::size_t count,
                       std::size_t width, float* out, std::size_t out_stride, bool first) {
    std::size_t c = 0;
    for (; c + 4 * kLanes <= width; c += 4 * kLanes) {
      mix_tile<D, R, 4>(p, p_stride, v, v_stride, count, c, out, out_stride, first);
    }
    for (; c + kLanes <= width; c += kLanes) {
      mix_tile<D, R, 1>(p, p_stride, v, v_stride, count, c, out, out_stride, first);
    }
    if (c == width) return;
    for (std::size_t r = 0; r < R; ++r) {
      F32 acc = Lanes::template load_some<Dtype::kF32>(out, r * out_stride + c, width - c);
      for (std::size_t j = 0; j < count; ++j) {
        const F32 row = Lanes::template load_some<D>(v, j * v_stride + c, width - c);
        acc = Lanes::muladd(Lanes::splat(p[r * p_stride + j]), row, acc);
      }
      Lanes::template store_some<Dtype::kF32>(out, r * out_stride + c, acc, width - c);
    }
  }

  template <Dtype D>
  static void mix(const float* p, std::size_t p_stride, std::size_t rows, const void* v, std::size_t v_stride,
                  std::size_t count, std::size_t width, float* out, std::size_t out_stride) {
    std::size_t r = 0;
    const auto take = [&](auto tile_rows) {
      constexpr std::size_t kTaken = decltype(tile_rows)::value;
      for (; r + kTaken <= rows; r += kTaken) {
        float* const to = out + r * out_stride;
        mix_rows<D, kTaken>(p + r * p_stride, p_stride, v, v_stride, count, width, to, out_stride, r == 0);
      }
    };
    take(std::integral_constant<std::size_t, kMixRows>{});
    take(std::integral_constant<std::size_t, 2>{});
    take(std::integral_constant<std::size_t, 1>{});
  }

  using Dot = DotOver<Lanes, F32Operands<Lanes>>;
  static constexpr GemmKernels kTable = {
      {Dot::template dot<Dtype::kF32>, Dot::template dot<Dtype::kBf16>, Dot::template dot<Dtype::kF16>},
      nullptr,
      {mix<Dtype::kF32>, mix<Dtype::kBf16>, mix<Dtype::kF16>},
  };
};

}  // namespace qknorm
