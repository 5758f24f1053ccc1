#include "cpu/moe.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// One piece of work is kRows x kCols sums, as in linear.cc.
constexpr std::size_t kRows = 96;
constexpr std::size_t kCols = 64;
// A few rows, as in decoding, wait for weights, which their kernel reads as streams that should run on: more columns at a
// time, as long as every thread gets some pieces.
constexpr std::size_t kFewRows = 3, kMostCols = 512, kPiecesPerThread = 4;
static_assert(kFewRows * kMostCols <= kRows * kCols);
// What a slice must bring to be worth another thread, in elements.
constexpr std::size_t kGrain = 16384;
// Rows of working memory, in floats: more tokens than fit go one block after the other.
constexpr std::size_t kMostFloats = std::size_t(1) << 24;

const void* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const unsigned char*>(base) + i * bytes_of(dtype);
}
void* at(void* base, Dtype dtype, std::size_t i) { return static_cast<unsigned char*>(base) + i * bytes_of(dtype); }

// Some rows and columns of the product with one matrix of one expert.
struct Piece {
  std::size_t expert, row, rows, col, cols;
};

// A choice is one (token, k); sorted by expert, those of one expert are neighbouring rows.
class Block {
 public:
  Block(const Moe& call, const CpuKernels& kernels) : call_(call), kernels_(kernels) {
    const std::size_t count = call.tokens * call.choices;
    choice_.resize(count);
    std::iota(choice_.begin(), choice_.end(), 0);
    std::stable_sort(choice_.begin(), choice_.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return call.chosen[a] < call.chosen[b]; });
    row_.resize(count);
    for (std::size_t row = 0; row < count; ++row) row_[choice_[row]] = row;
  }

  // rows [T * K, hidden] takes what the experts are given and then what they return; inner is [T * K, intermediate].
  void run(float* rows, float* inner) const {
    gather(rows);
    for_each_piece(call_.intermediate, call_.hidden, [&](const Piece& piece) { gate_up(piece, rows, inner); });
    for_each_piece(call_.hidden, call_.intermediate, [&](const Piece& piece) {
      multiply(call_.down, piece, inner, call_.intermediate, rows + piece.row * call_.hidden + piece.col, call_.hidden);
      for (std::size_t r = 0; r < piece.rows; ++r) {
        round(rows + (piece.row + r) * call_.hidden + piece.col, piece.cols);
      }
    });
    combine(rows);
  }

 private:
  bool rounds() const { return call_.rounding == MoeRounding::kHf && call_.dtype != Dtype::kF32; }

  // To the dtype and back, where the call asks for it.
  void round(float* x, std::size_t n) const {
    if (!rounds()) return;
    std::uint16_t half[kCols];
    for (std::size_t i = 0; i < n; i += kCols) {
      const std::size_t some = std::min(kCols, n - i);
      kernels_.narrow(call_.dtype)(x + i, half, some);
      kernels_.widen(call_.dtype)(half, x + i, some);
    }
  }

  float weight(std::size_t choice) const {
    float value;
    kernels_.widen(call_.weights_dtype)(at(call_.weights, call_.weights_dtype, choice), &value, 1);
    return value;
  }

  void gather(float* rows) const {
    const std::size_t width = call_.hidden;
    const auto widen = kernels_.widen(call_.dtype);
    parallel_for(choice_.size(), kGrain / std::max<std::size_t>(width, 1) + 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t r = begin; r < end; ++r) {
        float* const row = rows + r * width;
        widen(at(call_.x, call_.dtype, choice_[r] / call_.choices * call_.x_stride), row, width);
        if (call_.weighs == MoeWeighing::kOutput) continue;
        const float factor = weight(choice_[r]);
        for (std::size_t i = 0; i < width; ++i) row[i] *= factor;
        round(row, width);
      }
    });
  }

  // body(piece) for all rows and `out` columns, `in` being what a sum runs over.
  template <typename Body>
  void for_each_piece(std::size_t out, std::size_t in, Body&& body) const {
    std::vector<Piece> pieces;
    const std::size_t share = choice_.size() * out / (kPiecesPerThread * thread_count()) / kCols * kCols;
    const std::size_t wide = std::clamp(share, kCols, kMostCols);
    for (std::size_t row = 0; row < choice_.size();) {
      const std::int32_t expert = call_.chosen[choice_[row]];
      std::size_t end = row + 1;
      while (end < choice_.size() && call_.chosen[choice_[end]] == expert) ++end;
      const std::size_t cols = end - row <= kFewRows ? wide : kCols;
      for (std::size_t col = 0; col < out; col += cols) {
        for (std::size_t r = row; r < end; r += kRows) {
          pieces.push_back({std::size_t(expert), r, std::min(kRows, end - r), col, std::min(cols, out - col)});
        }
      }
      row = end;
    }
    const std::size_t grain = kGrain / (kCols * std::max<std::size_t>(in, 1)) + 1;
    parallel_for(pieces.size(), grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) body(pieces[i]);
    });
  }

  // sums = x [rows, in] times columns of one expert's matrix.
  void multiply(const ExpertStack& matrix, const Piece& piece, const float* x, std::size_t in, float* sums,
                std::size_t sums_stride) const {
    const void* const from =
        at(matrix.data, matrix.dtype, piece.expert * matrix.stride + piece.col * matrix.row_stride);
    kernels_.gemm.dot[static_cast<int>(matrix.dtype)](x + piece.row * in, in, piece.rows, from, matrix.row_stride,
                                                      piece.cols, in, sums, sums_stride);
  }

  void gate_up(const Piece& piece, const float* rows, float* inner) const {
    alignas(64) float gate[kRows * kCols], up[kRows * kCols];
    multiply(call_.gate, piece, rows, call_.hidden, gate, piece.cols);
    multiply(call_.up, piece, rows, call_.hidden, up, piece.cols);
    for (std::size_t r = 0; r < piece.rows; ++r) {
      float* const out = inner + (piece.row + r) * call_.intermediate + piece.col;
      for (std::size_t c = 0; c < piece.cols; c += kCols) {
        const std::size_t at = r * piece.cols + c;
        gated(gate + at, up + at, out + c, std::min(kCols, piece.cols - c));
      }
    }
  }

  // out = act(gate) * up, at most kCols of them; spoils gate and up.
  void gated(float* gate, float* up, float* out, std::size_t n) const {
    const ElementwiseKernels& elementwise = kernels_.elementwise;
    if (call_.activation == Activation::kSilu && !rounds()) {
      elementwise.silu_mul_once[static_cast<int>(Dtype::kF32)](gate, up, out, n);
      return;
    }
    if (call_.activation == Activation::kSilu) {
      std::uint16_t g[kCols], u[kCols], product[kCols];
      kernels_.narrow(call_.dtype)(gate, g, n);
      kernels_.narrow(call_.dtype)(up, u, n);
      elementwise.silu_mul_hf[static_cast<int>(call_.dtype)](g, u, product, n);
      kernels_.widen(call_.dtype)(product, out, n);
      return;
    }
    round(gate, n);
    round(up, n);
    for (std::size_t i = 0; i < n; ++i) gate[i] = activate(call_.activation, gate[i]);
    round(gate, n);
    for (std::size_t i = 0; i < n; ++i) out[i] = gate[i] * up[i];
    round(out, n);
  }

  // The outputs of each token's experts, in the order of its choices.
  void combine(const float* rows) const {
    const std::size_t blocks = call_.hidden / kCols + (call_.hidden % kCols != 0);
    const bool rounds_product = rounds() && call_.weights_dtype == call_.dtype;
    const auto narrow = kernels_.narrow(call_.dtype);
    parallel_for(call_.tokens * blocks, kGrain / (kCols * (call_.choices + 1)) + 1,
                 [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) {
        const std::size_t token = i / blocks, col = i % blocks * kCols, n = std::min(kCols, call_.hidden - col);
        float sum[kCols] = {}, product[kCols];
        for (std::size_t k = 0; k < call_.choices; ++k) {
          const std::size_t choice = token * call_.choices + k;
          const float* const row = rows + row_[choice] * call_.hidden + col;
          const float factor = call_.weighs == MoeWeighing::kInput ? 1 : weight(choice);
          for (std::size_t c = 0; c < n; ++c) product[c] = row[c] * factor;
          if (rounds_product) round(product, n);
          for (std::size_t c = 0; c < n; ++c) sum[c] += product[c];
        }
        narrow(sum, at(call_.out, call_.dtype, token * call_.out_stride + col), n);
      }
    });
  }

  const Moe& call_;
  const CpuKernels& kernels_;
  std::vector<std::uint32_t> choice_;  // by row
  std::vector<std::size_t> row_;       // by choice
};

}  // namespace

void moe(const Moe& call, Isa isa) {
  const std::size_t widest = std::max<std::size_t>(std::max(call.hidden, call.intermediate), 1);
  const std::size_t most = std::max<std::size_t>(kMostFloats / (std::max<std::size_t>(call.choices, 1) * widest), 1);
  thread_local Scratch rows_memory, inner_memory;
  for (std::size_t token = 0; token < call.tokens; token += most) {
    Moe block = call;
    block.tokens = std::min(most, call.tokens - token);
    block.x = at(call.x, call.dtype, token * call.x_stride);
    block.out = at(call.out, call.dtype, token * call.out_stride);
    block.chosen = call.chosen + token * call.choices;
    block.weights = at(call.weights, call.weights_dtype, token * call.choices);
    float* const rows = rows_memory.need(block.tokens * call.choices * call.hidden);
    float* const inner = inner_memory.need(block.tokens * call.choices * call.intermediate);
    Block(block, kernels_of(isa)).run(rows, inner);
  }
  rows_memory.trim();
  inner_memory.trim();
}

}  // namespace qknorm
