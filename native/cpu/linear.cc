#include "cpu/linear.h"

#include <algorithm>
#include <cstdint>

#include "cpu/blas.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// One piece of work is some rows by kCols sums: kDotBlock of each row of x stay in the second-level cache while the weights
// pass.
constexpr std::size_t kBlockBytes = std::size_t(384) << 10;
constexpr std::size_t kMostRows = kBlockBytes / (kDotBlock * sizeof(std::uint16_t));
constexpr std::size_t kTileRows = 6;  // what kernels take together
constexpr std::size_t kCols = 64;
// OpenBLAS packs both operands anew on every call and wants larger pieces. Their size is fixed, and it runs on the
// calling thread alone, so that the bits do not depend on the number of threads.
constexpr std::size_t kBlasRows = 512;
constexpr std::size_t kBlasCols = 128;
constexpr std::size_t kBlasDepth = 4096;
constexpr std::size_t kBlasPays = 16;  // rows
// What a slice must bring to be worth another thread, in elements.
constexpr std::size_t kGrain = 16384;

std::size_t ceil_div(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }

const void* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const unsigned char*>(base) + i * bytes_of(dtype);
}
void* at(void* base, Dtype dtype, std::size_t i) { return static_cast<unsigned char*>(base) + i * bytes_of(dtype); }

// Rows of x as a product takes them: the caller's own, or a widened copy.
struct Rows {
  const void* data;
  std::size_t stride;
  Dtype dtype;
};

Rows rows_as(Dtype dtype, const Linear& call, const CpuKernels& kernels, Scratch& memory) {
  if (call.x_dtype == dtype) return {call.x, call.x_stride, dtype};
  float* const copy = memory.need(call.rows * call.in);
  const auto widen = kernels.widen(call.x_dtype);
  parallel_for(call.rows, kGrain / std::max<std::size_t>(call.in, 1) + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      widen(at(call.x, call.x_dtype, r * call.x_stride), copy + r * call.in, call.in);
    }
  });
  return {copy, call.in, Dtype::kF32};
}

struct Piece {
  std::size_t row, rows, col, cols;
};

// body(piece) for every piece of the output, neighbours in a row block's column first.
template <typename Body>
void for_each_piece(const Linear& call, std::size_t max_rows, std::size_t max_cols, Body&& body) {
  const std::size_t row_blocks = ceil_div(call.rows, max_rows);
  const std::size_t grain = kGrain / (max_cols * std::max<std::size_t>(call.in, 1)) + 1;
  parallel_for(row_blocks * ceil_div(call.out, max_cols), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t row = i % row_blocks * max_rows, col = i / row_blocks * max_cols;
      body(Piece{row, std::min(max_rows, call.rows - row), col, std::min(max_cols, call.out - col)});
    }
  });
}

// sums [rows, cols] of the piece -> y, with the bias.
void finish(const Linear& call, const CpuKernels& kernels, const Piece& piece, float* sums, std::size_t stride) {
  float bias[std::max(kCols, kBlasCols)];
  if (call.bias != nullptr) {
    kernels.widen(call.bias_dtype)(at(call.bias, call.bias_dtype, piece.col), bias, piece.cols);
  }
  const auto narrow = kernels.narrow(call.y_dtype);
  for (std::size_t r = 0; r < piece.rows; ++r) {
    float* const sum = sums + r * stride;
    if (call.bias != nullptr) {
      for (std::size_t c = 0; c < piece.cols; ++c) sum[c] += bias[c];
    }
    narrow(sum, at(call.y, call.y_dtype, (piece.row + r) * call.y_stride + piece.col), piece.cols);
  }
}

// Weights are read in their own type; where they have to be widened, the kernel does so once for many rows, a few columns
// at a time.
void linear_own(const Linear& call, const CpuKernels& kernels, const Rows& x) {
  const std::size_t blocks = ceil_div(call.rows, kBlockBytes / (kDotBlock * bytes_of(x.dtype)));
  const std::size_t rows = ceil_div(ceil_div(call.rows, blocks), kTileRows) * kTileRows;
  const auto dot = kernels.gemm.dot_of(x.dtype, call.weight_dtype);
  for_each_piece(call, rows, kCols, [&](const Piece& piece) {
    alignas(64) float sums[kMostRows * kCols];
    dot(at(x.data, x.dtype, piece.row * x.stride), x.stride, piece.rows,
        at(call.weight, call.weight_dtype, piece.col * call.weight_stride), call.weight_stride, piece.cols, call.in, sums,
        kCols);
    finish(call, kernels, piece, sums, kCols);
  });
}

void linear_blas(const Linear& call, const CpuKernels& kernels, const Rows& x) {
  const auto widen = kernels.widen(call.weight_dtype);
  for_each_piece(call, kBlasRows, kBlasCols, [&](const Piece& piece) {
    thread_local Scratch panel_memory, sums_memory;
    float* const panel = panel_memory.need(kBlasCols * kBlasDepth);
    float* const sums = sums_memory.need(kBlasRows * kBlasCols);
    for (std::size_t k = 0; k < call.in; k += kBlasDepth) {
      const std::size_t depth = std::min(kBlasDepth, call.in - k);
      for (std::size_t c = 0; c < piece.cols; ++c) {
        widen(at(call.weight, call.weight_dtype, (piece.col + c) * call.weight_stride + k), panel + c * depth, depth);
      }
      blas().sgemm(Blas::kRowMajor, Blas::kNoTranspose, Blas::kTranspose, int(piece.rows), int(piece.cols), int(depth),
                   1.0f, static_cast<const float*>(x.data) + piece.row * x.stride + k, int(x.stride), panel, int(depth),
                   k > 0 ? 1.0f : 0.0f, sums, int(kBlasCols));
    }
    finish(call, kernels, piece, sums, kBlasCols);
  });
}

// With AVX2 and AVX-512 our kernels are the faster ones (bench/linear.bench.ts), so the default keeps their promise
// that a row's result does not depend on its company.
bool wants_blas(const Linear& call, Isa isa, LinearEngine engine) {
  if (engine == LinearEngine::kOwn || (engine == LinearEngine::kAuto && isa != Isa::kScalar)) return false;
  constexpr std::size_t kIntMax = 0x7fffffff;  // OpenBLAS takes strides as int
  return call.rows >= kBlasPays && call.in > 0 && std::max(call.x_stride, call.in) <= kIntMax && blas().sgemm != nullptr;
}

}  // namespace

void linear(const Linear& call, Isa isa, LinearEngine engine) {
  if (call.rows == 0 || call.out == 0) return;
  const CpuKernels& kernels = kernels_of(isa);
  thread_local Scratch x_memory;
  if (wants_blas(call, isa, engine)) {
    linear_blas(call, kernels, rows_as(Dtype::kF32, call, kernels, x_memory));
  } else {
    const Dtype operand = kernels.gemm.operand_of(call.x_dtype, call.weight_dtype);
    linear_own(call, kernels, rows_as(operand, call, kernels, x_memory));
  }
  x_memory.trim();
}

}  // namespace qknorm
