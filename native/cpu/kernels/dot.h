// GemmKernels::dot and its like, written once over Lanes and the operands that are multiplied.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/kernels.h"
#include "cpu/kernels/prefetch.h"

namespace qknorm {

// x as f32, and weights widened to it: kLanes of each at a time.
template <typename Lanes>
struct F32Operands {
  using X = float;
  using Packed = float;
  using Operand = typename Lanes::F32;
  static constexpr std::size_t kStep = Lanes::kLanes;
  // One row of x waits for its weights: this many bytes ahead in each stream of them keeps memory busy.
  static constexpr std::size_t kStreamAhead = 512;

  static Operand load_x(const X* x) { return Lanes::template load<Dtype::kF32>(x, 0); }
  static Operand load_x(const X* x, std::size_t count) { return Lanes::template load_some<Dtype::kF32>(x, 0, count); }
  template <Dtype D>
  static Operand load_w(const void* w, std::size_t i) {
    return Lanes::template load<D>(w, i);
  }
  template <Dtype D>
  static Operand load_w(const void* w, std::size_t i, std::size_t count) {
    return Lanes::template load_some<D>(w, i, count);
  }
  static void store_packed(Packed* to, Operand w) { Lanes::template store<Dtype::kF32>(to, 0, w); }
  static Operand load_packed(const Packed* from) { return Lanes::template load<Dtype::kF32>(from, 0); }
  static Operand muladd(Operand x, Operand w, Operand sum) { return Lanes::muladd(x, w, sum); }
};

template <typename Lanes, typename Operands>
struct DotOver {
  using F32 = typename Lanes::F32;
  using X = typename Operands::X;
  using Packed = typename Operands::Packed;
  using Operand = typename Operands::Operand;
  static constexpr std::size_t kStep = Operands::kStep;
  static constexpr std::size_t kRows = Lanes::kTileRows;
  static constexpr std::size_t kCols = Lanes::kTileCols;

  static constexpr std::size_t kShortRow = 256;  // elements; longer rows are streams of their own

  // Both operands run along k, so a tile needs no packing and every sum is taken in the same order.
  template <Dtype D, std::size_t R, std::size_t C, bool kStreams = false>
  static void dot_tile(const X* x, std::size_t x_stride, const void* w, std::size_t w_stride, std::size_t k,
                       float* sums, std::size_t sums_stride, bool accumulate) {
    F32 acc[R][C];
#pragma GCC unroll 4
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) acc[r][c] = Lanes::splat(0);
    }
    std::size_t i = 0;
    for (; i + kStep <= k; i += kStep) {
      Operand xs[R];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) xs[r] = Operands::load_x(x + r * x_stride + i);
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) {
        if constexpr (kStreams) prefetch(w, (c * w_stride + i) * bytes_of(D) + Operands::kStreamAhead, 1);
        const Operand ws = Operands::template load_w<D>(w, c * w_stride + i);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < R; ++r) acc[r][c] = Operands::muladd(xs[r], ws, acc[r][c]);
      }
    }
    if (i < k) {
      Operand xs[R];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < R; ++r) xs[r] = Operands::load_x(x + r * x_stride + i, k - i);
#pragma GCC unroll 8
      for (std::size_t c = 0; c < C; ++c) {
        const Operand ws = Operands::template load_w<D>(w, c * w_stride + i, k - i);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < R; ++r) acc[r][c] = Operands::muladd(xs[r], ws, acc[r][c]);
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
  static void dot_column(const X* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
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
  static void dot_streams(const X* x, std::size_t x_stride, const void* w, std::size_t w_stride, std::size_t cols,
                          std::size_t k, float* sums, std::size_t sums_stride) {
    const std::size_t apart = cols / kCols;
    for (std::size_t c = 0; c < apart; ++c) {
      const auto* const from = static_cast<const unsigned char*>(w) + c * w_stride * bytes_of(D);
      float found[R][kCols];
      std::size_t done = 0;
      do {
        const std::size_t length = k - done < kDotBlock ? k - done : kDotBlock;
        dot_tile<D, R, kCols, true>(x + done, x_stride, from + done * bytes_of(D), apart * w_stride, length, found[0], kCols,
                                    done > 0);
        done += length;
      } while (done < k);
      for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t i = 0; i < kCols; ++i) sums[r * sums_stride + i * apart + c] = found[r][i];
      }
    }
  }

  // Packed weights: the columns of a tile side by side for each register of k, as the operand that is multiplied. Widening
  // them once, and loading them without a second page for each column, makes 96 rows half as fast again.
  static constexpr std::size_t kPackedRows = Lanes::kPackedRows, kPackedCols = Lanes::kPackedCols;
  static constexpr std::size_t kPackingPays = 2 * kPackedRows;  // rows

  template <Dtype D>
  static void pack(const void* w, std::size_t w_stride, std::size_t k, Packed* panel) {
    std::size_t i = 0;
    for (; i + kStep <= k; i += kStep) {
      for (std::size_t c = 0; c < kPackedCols; ++c, panel += kStep) {
        Operands::store_packed(panel, Operands::template load_w<D>(w, c * w_stride + i));
      }
    }
    for (std::size_t c = 0; c < kPackedCols && i < k; ++c, panel += kStep) {
      Operands::store_packed(panel, Operands::template load_w<D>(w, c * w_stride + i, k - i));
    }
  }

  // The same sums as dot_tile, of R rows with the columns of a panel.
  template <std::size_t R>
  static void packed_tile(const X* x, std::size_t x_stride, const Packed* panel, std::size_t k, float* sums,
                          std::size_t sums_stride, bool accumulate) {
    F32 acc[R][kPackedCols];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kPackedCols; ++c) acc[r][c] = Lanes::splat(0);
    }
    const auto step = [&](const Packed* weights, auto&& row) __attribute__((always_inline)) {
      Operand ws[kPackedCols];
#pragma GCC unroll 4
      for (std::size_t c = 0; c < kPackedCols; ++c) ws[c] = Operands::load_packed(weights + c * kStep);
#pragma GCC unroll 8
      for (std::size_t r = 0; r < R; ++r) {
        const Operand xs = row(r);
#pragma GCC unroll 4
        for (std::size_t c = 0; c < kPackedCols; ++c) acc[r][c] = Operands::muladd(xs, ws[c], acc[r][c]);
      }
    };
    std::size_t i = 0;
    for (; i + kStep <= k; i += kStep) {
      step(panel + i * kPackedCols, [&](std::size_t r) { return Operands::load_x(x + r * x_stride + i); });
    }
    if (i < k) {
      step(panel + i * kPackedCols,
           [&](std::size_t r) { return Operands::load_x(x + r * x_stride + i, k - i); });
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < R; ++r) {
      float row[kPackedCols];
      Lanes::reduce_packed(acc[r], row);
      float* const to = sums + r * sums_stride;
      for (std::size_t c = 0; c < kPackedCols; ++c) to[c] = accumulate ? to[c] + row[c] : row[c];
    }
  }

  // Weights that memory should bring meanwhile: columns of `bytes`, `stride` bytes apart.
  struct Ahead {
    const void* w;
    std::size_t stride, bytes;

    // The share of rows [begin, end) of `rows`.
    void ask(std::size_t begin, std::size_t end, std::size_t rows) const {
      const std::size_t column = (bytes + kLine - 1) / kLine, lines = kPackedCols * column;
      for (std::size_t i = lines * begin / rows; i < lines * end / rows; ++i) {
        prefetch(w, i / column * stride + i % column * kLine, 1);
      }
    }
  };
  static constexpr std::size_t kLine = 64;

  static void packed_rows(const X* x, std::size_t x_stride, std::size_t rows, const Packed* panel, std::size_t k,
                          float* sums, std::size_t sums_stride, bool accumulate, const Ahead& ahead) {
    std::size_t r = 0;
    const auto take = [&](auto tile_rows) {
      constexpr std::size_t kTaken = decltype(tile_rows)::value;
      for (; r + kTaken <= rows; r += kTaken) {
        ahead.ask(r, r + kTaken, rows);
        packed_tile<kTaken>(x + r * x_stride, x_stride, panel, k, sums + r * sums_stride, sums_stride, accumulate);
      }
    };
    take(std::integral_constant<std::size_t, kPackedRows>{});
    take(std::integral_constant<std::size_t, 2>{});
    take(std::integral_constant<std::size_t, 1>{});
  }

  // Columns outside, rows inside: the tile's weights stay in the first-level cache while the rows pass.
  template <Dtype D>
  static void dot(const void* rows_of_x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                  std::size_t cols, std::size_t k, float* sums, std::size_t sums_stride) {
    const auto* x = static_cast<const X*>(rows_of_x);
    const auto* weights = static_cast<const unsigned char*>(w);
    if (rows <= kRows && k > kShortRow) {
      const auto streams = rows == 1 ? dot_streams<D, 1> : rows == 2 ? dot_streams<D, 2> : dot_streams<D, kRows>;
      streams(x, x_stride, w, w_stride, cols, k, sums, sums_stride);
      const std::size_t taken = cols / kCols * kCols;
      if (taken == cols) return;
      weights += taken * w_stride * bytes_of(D);
      sums += taken;
      cols -= taken;
    }
    std::size_t done = 0;
    do {
      const std::size_t length = k - done < kDotBlock ? k - done : kDotBlock;
      const bool add = done > 0;
      const auto at = [&](std::size_t c) { return weights + (c * w_stride + done) * bytes_of(D); };
      std::size_t c = 0;
      if constexpr (kPackedRows > 0) {
        alignas(64) Packed panel[kPackedCols * kDotBlock];
        for (; rows >= kPackingPays && c + kPackedCols <= cols; c += kPackedCols) {
          pack<D>(at(c), w_stride, length, panel);
          const Ahead next = {at(c + kPackedCols), w_stride * bytes_of(D), length * bytes_of(D)};
          packed_rows(x + done, x_stride, rows, panel, length, sums + c, sums_stride, add, next);
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
};

}  // namespace qknorm
