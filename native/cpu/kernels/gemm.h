// GemmKernels, written once over Lanes.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/kernels.h"

namespace qknorm {

template <typename Lanes>
struct GemmOver {
  using F32 = typename Lanes::F32;
  static constexpr std::size_t kLanes = Lanes::kLanes;
  static constexpr std::size_t kRows = Lanes::kTileRows;
  static constexpr std::size_t kCols = Lanes::kTileCols;
  static constexpr std::size_t kMixRows = kLanes >= 16 ? 4 : 2;

  // Rows of a key/value cache lie apart, where the processor's own prefetching does not see them coming. This many
  // rows ahead is far enough for memory, and near enough for the first-level cache; an address past the end is harmless.
  static constexpr std::size_t kRowsAhead = 32;
  static constexpr std::size_t kShortRow = 256;  // elements; longer rows are streams of their own

  static void prefetch(const void* from, std::size_t byte, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(from) + byte;
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(reinterpret_cast<const void*>(address + i));
  }

  // One row of x waits for its weights: this many bytes ahead in each stream of them keeps memory busy.
  static constexpr std::size_t kStreamAhead = 512;

  // Both operands run along k, so a tile needs no packing and every sum is taken in the same order.
  template <Dtype D, std::size_t R, std::size_t C, bool kStreams = false>
  static void dot_tile(const float* x, std::size_t x_stride, const void* w, std::size_t w_stride, std::size_t k,
                       float* sums, std::size_t sums_stride, bool accumulate) {
    F32 acc[R][C];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) acc[r][c] = Lanes::splat(0);
    }
    std::size_t i = 0;
    for (; i + kLanes <= k; i += kLanes) {
      F32 xs[R];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) xs[r] = Lanes::template load<Dtype::kF32>(x, r * x_stride + i);
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) {
        if constexpr (kStreams) prefetch(w, (c * w_stride + i) * bytes_of(D) + kStreamAhead, 1);
        const F32 ws = Lanes::template load<D>(w, c * w_stride + i);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < R; ++r) acc[r][c] = Lanes::muladd(xs[r], ws, acc[r][c]);
      }
    }
    if (i < k) {
      F32 xs[R];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) xs[r] = Lanes::template load_some<Dtype::kF32>(x, r * x_stride + i, k - i);
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) {
        const F32 ws = Lanes::template load_some<D>(w, c * w_stride + i, k - i);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < R; ++r) acc[r][c] = Lanes::muladd(xs[r], ws, acc[r][c]);
      }
    }
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
      float row[C];
      if constexpr (C == kCols) {
        Lanes::reduce_tile(acc[r], row);
      } else {
        row[0] = Lanes::reduce(acc[r][0]);
      }
      float* to = sums + r * sums_stride;
      for (std::size_t c = 0; c < C; ++c) to[c] = accumulate ? to[c] + row[c] : row[c];
    }
  }

  template <Dtype D, std::size_t C>
  static void dot_column(const float* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                         std::size_t k, float* sums, std::size_t sums_stride, bool accumulate) {
    std::size_t r = 0;
    for (; r + kRows <= rows; r += kRows) {
      dot_tile<D, kRows, C>(x + r * x_stride, x_stride, w, w_stride, k, sums + r * sums_stride, sums_stride, accumulate);
    }
    x += r * x_stride;
    sums += r * sums_stride;
    if constexpr (kRows > 2) {
      if (rows - r == 2) return dot_tile<D, 2, C>(x, x_stride, w, w_stride, k, sums, sums_stride, accumulate);
    }
    if (rows - r == 1) dot_tile<D, 1, C>(x, x_stride, w, w_stride, k, sums, sums_stride, accumulate);
  }

  // A few rows of x. Processors read ahead within a page, and lose their way where rows of one page take turns: so the
  // columns of a tile are as far apart as possible, and each stream of weights runs on from tile to tile.
  template <Dtype D, std::size_t R>
  static void dot_streams(const float* x, std::size_t x_stride, const void* w, std::size_t w_stride, std::size_t cols,
                          std::size_t k, float* sums, std::size_t sums_stride, bool accumulate) {
    const std::size_t apart = cols / kCols;
    for (std::size_t c = 0; c < apart; ++c) {
      const auto* const from = static_cast<const unsigned char*>(w) + c * w_stride * bytes_of(D);
      float found[R][kCols];
      for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t i = 0; i < kCols; ++i) found[r][i] = accumulate ? sums[r * sums_stride + i * apart + c] : 0;
      }
      std::size_t done = 0;
      do {
        const std::size_t length = k - done < kDotBlock ? k - done : kDotBlock;
        dot_tile<D, R, kCols, true>(x + done, x_stride, from + done * bytes_of(D), apart * w_stride, length, found[0], kCols,
                                    accumulate || done > 0);
        done += length;
      } while (done < k);
      for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t i = 0; i < kCols; ++i) sums[r * sums_stride + i * apart + c] = found[r][i];
      }
    }
  }

  // Packed weights: the columns of a tile side by side for each register of k, as f32. Widening them once, and loading
  // them without a second page for each column, makes 96 rows half as fast again. (The instruction that multiplies pairs of
  // bf16 was slower than this on the processor at hand: it starts every other cycle.)
  static constexpr std::size_t kPackedRows = Lanes::kPackedRows, kPackedCols = Lanes::kPackedCols;
  static constexpr std::size_t kPackingPays = 2 * kPackedRows;  // rows

  template <Dtype D>
  static void pack(const void* w, std::size_t w_stride, std::size_t k, float* panel) {
    std::size_t i = 0;
    for (; i + kLanes <= k; i += kLanes) {
      for (std::size_t c = 0; c < kPackedCols; ++c, panel += kLanes) {
        Lanes::template store<Dtype::kF32>(panel, 0, Lanes::template load<D>(w, c * w_stride + i));
      }
    }
    for (std::size_t c = 0; c < kPackedCols && i < k; ++c, panel += kLanes) {
      Lanes::template store<Dtype::kF32>(panel, 0, Lanes::template load_some<D>(w, c * w_stride + i, k - i));
    }
  }

  // The same sums as dot_tile, of R rows with the columns of a panel.
  template <std::size_t R>
  static void packed_tile(const float* x, std::size_t x_stride, const float* panel, std::size_t k, float* sums,
                          std::size_t sums_stride, bool accumulate) {
    F32 acc[R][kPackedCols];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kPackedCols; ++c) acc[r][c] = Lanes::splat(0);
    }
    const auto step = [&](const float* weights, auto&& row) __attribute__((always_inline)) {
      F32 ws[kPackedCols];
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kPackedCols; ++c) ws[c] = Lanes::template load<Dtype::kF32>(weights, c * kLanes);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < R; ++r) {
        const F32 xs = row(r);
#pragma GCC unroll 4
        for (std::size_t c = 0; c < kPackedCols; ++c) acc[r][c] = Lanes::muladd(xs, ws[c], acc[r][c]);
      }
    };
    std::size_t i = 0;
    for (; i + kLanes <= k; i += kLanes) {
      step(panel + i * kPackedCols, [&](std::size_t r) { return Lanes::template load<Dtype::kF32>(x, r * x_stride + i); });
    }
    if (i < k) {
      step(panel + i * kPackedCols,
           [&](std::size_t r) { return Lanes::template load_some<Dtype::kF32>(x, r * x_stride + i, k - i); });
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
      float* const to = sums + r * sums_stride;
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kPackedCols; ++c) {
        const float sum = Lanes::reduce(acc[r][c]);
        to[c] = accumulate ? to[c] + sum : sum;
      }
    }
  }

  static void packed_rows(const float* x, std::size_t x_stride, std::size_t rows, const float* panel, std::size_t k,
                          float* sums, std::size_t sums_stride, bool accumulate) {
    std::size_t r = 0;
    const auto take = [&](auto tile_rows) {
      constexpr std::size_t kTaken = decltype(tile_rows)::value;
      for (; r + kTaken <= rows; r += kTaken) {
        packed_tile<kTaken>(x + r * x_stride, x_stride, panel, k, sums + r * sums_stride, sums_stride, accumulate);
      }
    };
    take(std::integral_constant<std::size_t, kPackedRows>{});
    take(std::integral_constant<std::size_t, 2>{});
    take(std::integral_constant<std::size_t, 1>{});
  }

  // Columns outside, rows inside: the tile's weights stay in the first-level cache while the rows pass.
  template <Dtype D>
  static void dot(const float* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                  std::size_t cols, std::size_t k, float* sums, std::size_t sums_stride, bool accumulate) {
    const auto* weights = static_cast<const unsigned char*>(w);
    if (rows <= kRows && k > kShortRow) {
      const auto streams = rows == 1 ? dot_streams<D, 1> : rows == 2 ? dot_streams<D, 2> : dot_streams<D, kRows>;
      streams(x, x_stride, w, w_stride, cols, k, sums, sums_stride, accumulate);
      const std::size_t taken = cols / kCols * kCols;
      if (taken == cols) return;
      weights += taken * w_stride * bytes_of(D);
      sums += taken;
      cols -= taken;
    }
    std::size_t done = 0;
    do {
      const std::size_t length = k - done < kDotBlock ? k - done : kDotBlock;
      const bool add = accumulate || done > 0;
      const auto at = [&](std::size_t c) { return weights + (c * w_stride + done) * bytes_of(D); };
      std::size_t c = 0;
      if constexpr (kPackedRows > 0) {
        alignas(64) float panel[kPackedCols * kDotBlock];
        for (; rows >= kPackingPays && c + kPackedCols <= cols; c += kPackedCols) {
          pack<D>(at(c), w_stride, length, panel);
          packed_rows(x + done, x_stride, rows, panel, length, sums + c, sums_stride, add);
        }
      }
      for (; c + kCols <= cols; c += kCols) {
        for (std::size_t i = 0; i < kCols && length <= kShortRow; ++i) {
          prefetch(at(c), (kRowsAhead + i) * w_stride * bytes_of(D), length * bytes_of(D));
        }
        dot_column<D, kCols>(x + done, x_stride, rows, at(c), w_stride, length, sums + c, sums_stride, add);
      }
      for (; c < cols; ++c) {
        dot_column<D, 1>(x + done, x_stride, rows, at(c), w_stride, length, sums + c, sums_stride, add);
      }
      done += length;
    } while (done < k);
  }

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

  static constexpr GemmKernels kTable = {
      {dot<Dtype::kF32>, dot<Dtype::kBf16>, dot<Dtype::kF16>},
      {mix<Dtype::kF32>, mix<Dtype::kBf16>, mix<Dtype::kF16>},
  };
};

}  // namespace qknorm
