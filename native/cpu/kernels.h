// What is compiled once per instruction set: one table of functions each, filled in by kernels/<isa>.cc and picked by
// kernels_of(). Arrays of functions are indexed by dtype.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

struct NormSide;
struct NormAffine;

// Sums run over blocks of this many elements, which are then added up in order; a caller that splits a sum itself
// must split it here.
inline constexpr std::size_t kDotBlock = 1024;

// The arithmetic under linear and attention: dot products of rows with rows. A sum's bits depend on its two rows alone:
// not on how many rows there are, where a block or a slice of a loop ends, or the number of threads. So a token gets
// the same result alone and in a batch.
struct GemmKernels {
  // sums[i][j] = x[i] . w[j] for i < rows, j < cols. Strides in elements.
  using Dot = void (*)(const void* x, std::size_t x_stride, std::size_t rows, const void* w, std::size_t w_stride,
                       std::size_t cols, std::size_t k, float* sums, std::size_t sums_stride);
  // out[i][c] += sum over j in order of p[i][j] * v[j][c], for i < rows, j < count, c < width.
  using Mix = void (*)(const float* p, std::size_t p_stride, std::size_t rows, const void* v, std::size_t v_stride,
                       std::size_t count, std::size_t width, float* out, std::size_t out_stride);

  Dot dot[kDtypes];  // of f32, by dtype of w
  Dot dot_bf16;      // of bf16 with bf16, without widening: products are exact, sums f32; null where there is none
  Mix mix[kDtypes];  // by dtype of v

  // The dtype that rows of x are to be handed over in.
  Dtype operand_of(Dtype x, Dtype w) const {
    return dot_bf16 != nullptr && x == Dtype::kBf16 && w == Dtype::kBf16 ? Dtype::kBf16 : Dtype::kF32;
  }
  Dot dot_of(Dtype operand, Dtype w) const { return operand == Dtype::kBf16 ? dot_bf16 : dot[static_cast<int>(w)]; }
};

// The running softmax of one query: weights are exp(score - peak), and `total` is their sum.
struct SoftmaxState {
  float peak, total;
};

inline constexpr std::size_t kSoftmaxPad = 16;

// Softmax in pieces. Where it does not say "any n", n is a multiple of kSoftmaxPad: callers fill up with -inf, which
// weighs nothing.
struct AttentionKernels {
  // scores -> weights against the new peak; returns the factor for what was summed against the old one.
  float (*absorb)(float* scores, std::size_t n, float scale, SoftmaxState& state);
  // Any n. x *= factor
  void (*rescale)(float* x, std::size_t n, float factor);
  // Any n. Joins two states and their weighted sums x and y [n] in the first.
  void (*merge)(SoftmaxState& state, float* x, const SoftmaxState& other, const float* y, std::size_t n);
  // Any n. out = x / total, rounded.
  void (*finish[kDtypes])(const float* x, float total, void* out, std::size_t n);
  // Rounding as transformers does, over a whole row: score = round(round(score) * scale), then round(softmax). With a
  // sink, a score of its own beside the row, what the softmax takes is round(score - peak).
  void (*probabilities[kDtypes])(float* scores, std::size_t n, float scale, const float* sink);
  // Any n. score = cap * tanh(score * scale / cap); but for f32, every step is rounded, the given score as well.
  void (*soften[kDtypes])(float* scores, std::size_t n, float scale, float cap);
};

struct ElementwiseKernels {
  using SiluMul = void (*)(const void* gate, const void* up, void* out, std::size_t n);
  using Binary = void (*)(const void* a, const void* b, void* out, std::size_t n);
  using Unary = void (*)(const void* x, void* out, std::size_t n);
  using Scale = void (*)(const void* x, void* out, std::size_t n, float factor);
  using Convert = void (*)(const void* from, void* to, std::size_t n);  // to nearest, ties to even

  SiluMul silu_mul_once[kDtypes];
  SiluMul silu_mul_hf[kDtypes];
  Binary add[kDtypes];
  Binary mul[kDtypes];
  Scale scale[kDtypes];
  Unary relu[kDtypes];   // max(x, 0)
  Unary relu2[kDtypes];  // max(x, 0)^2
  Convert convert[kDtypes][kDtypes];  // [from][to]
};

struct RopeKernels {
  // Turns the pairs (x[i], y[i]), i < half, in place.
  using Turn = void (*)(void* x, void* y, const float* cos, const float* sin, std::size_t half);

  Turn once[kDtypes];
  Turn hf[kDtypes];
};

// Of rows that go into a cache of e4m3.
struct CacheKernels {
  float (*largest[kDtypes])(const void* row, std::size_t n);  // magnitude; NaN counts as none
  void (*store_e4m3[kDtypes])(const void* row, std::uint8_t* out, std::size_t n, float factor);  // x * factor, in f32
};

// Columns of a state that go through a gated delta rule together.
inline constexpr std::size_t kDeltaColumns = 32;

// One token on them: q and k [rows], v and out [kDeltaColumns].
struct DeltaStep {
  const float *q, *k, *v;
  double decay, beta, scale;
  bool to_odd;  // out is rounded so that a dtype of 16 bits rounds it right
  float* out;
};

struct DeltaKernels {
  // state [rows, kDeltaColumns]
  void (*step)(float* state, std::size_t rows, const DeltaStep& token);
};

struct CpuKernels {
  // Tokens [begin, end) of one side.
  void (*qk_norm)(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end);
  GemmKernels gemm;
  AttentionKernels attention;
  ElementwiseKernels elementwise;
  RopeKernels rope;
  CacheKernels cache;
  DeltaKernels delta;

  ElementwiseKernels::Convert widen(Dtype from) const { return convert(from, Dtype::kF32); }
  ElementwiseKernels::Convert narrow(Dtype to) const { return convert(Dtype::kF32, to); }
  ElementwiseKernels::Convert convert(Dtype from, Dtype to) const {
    return elementwise.convert[static_cast<int>(from)][static_cast<int>(to)];
  }
};

// The table of an instruction set that can run here.
const CpuKernels& kernels_of(Isa isa);

}  // namespace qknorm
