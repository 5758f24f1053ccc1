#include "cpu/project.h"

#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

constexpr std::size_t kCols = 64;  // of one piece of work
// What a slice must bring to be worth another thread, in elements of the weight.
constexpr std::size_t kGrain = 16384;

const void* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const unsigned char*>(base) + i * bytes_of(dtype);
}
void* at(void* base, Dtype dtype, std::size_t i) { return static_cast<unsigned char*>(base) + i * bytes_of(dtype); }

// Numbers of any dtype.
struct Line {
  alignas(64) float memory[kCols];
};

class Projection {
 public:
  Projection(const Project& call, Isa isa)
      : call_(call),
        linear_(call.linear),
        dtype_(linear_.x_dtype),
        isa_(isa),
        kernels_(kernels_of(isa)),
        operand_(kernels_.gemm.operand_of(dtype_, linear_.weight_dtype)) {}

  void run() const {
    thread_local Scratch normed_memory, wide_memory;
    const Rows x = rows(normed_memory, wide_memory);
    const std::size_t outputs = call_.swiglu ? linear_.out / 2 : linear_.out;
    const std::size_t blocks = outputs / kCols + (outputs % kCols != 0);
    const std::size_t weights = kCols * std::max<std::size_t>(linear_.in, 1) * (call_.swiglu ? 2 : 1);
    parallel_for(blocks, kGrain / weights + 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) piece(x, i * kCols, std::min(kCols, outputs - i * kCols));
    });
    normed_memory.trim();
    wide_memory.trim();
  }

 private:
  // As a product takes them.
  struct Rows {
    const void* data;
    std::size_t stride;
  };

  // norm(x) [rows, in].
  Rows rows(Scratch& normed_memory, Scratch& wide_memory) const {
    const std::size_t in = linear_.in;
    const void* x = linear_.x;
    std::size_t stride = linear_.x_stride;
    if (call_.norm != nullptr) {
      NormSide side = *call_.norm;
      side.dtype = dtype_;
      side.heads = 1;
      side.head_dim = in;
      side.input = static_cast<const char*>(x);
      side.input_token_stride = stride * bytes_of(dtype_);
      side.output = reinterpret_cast<char*>(normed_memory.need(linear_.rows * in));
      side.output_token_stride = in * bytes_of(dtype_);
      qk_norm(&side, 1, linear_.rows, isa_);
      x = side.output;
      stride = in;
    }
    if (operand_ == dtype_) return {x, stride};
    float* const wide = wide_memory.need(linear_.rows * in);
    for (std::size_t r = 0; r < linear_.rows; ++r) kernels_.widen(dtype_)(at(x, dtype_, r * stride), wide + r * in, in);
    return {wide, in};
  }

  void piece(const Rows& x, std::size_t col, std::size_t n) const {
    alignas(64) float sums[kMostProjectRows * kCols], up_sums[kMostProjectRows * kCols];
    multiply(x, col, n, sums);
    if (call_.swiglu) multiply(x, linear_.out / 2 + col, n, up_sums);
    const ElementwiseKernels& elementwise = kernels_.elementwise;
    const int dtype = static_cast<int>(dtype_);
    const auto silu_mul =
        (call_.silu_rounding == SiluRounding::kHf ? elementwise.silu_mul_hf : elementwise.silu_mul_once)[dtype];
    for (std::size_t r = 0; r < linear_.rows; ++r) {
      Line product, up;
      void* const out = at(linear_.y, dtype_, r * linear_.y_stride + col);
      void* const last = call_.residual != nullptr ? product.memory : out;
      kernels_.narrow(dtype_)(sums + r * kCols, call_.swiglu ? product.memory : last, n);
      if (call_.swiglu) {
        kernels_.narrow(dtype_)(up_sums + r * kCols, up.memory, n);
        silu_mul(product.memory, up.memory, last, n);
      }
      if (call_.residual == nullptr) continue;
      elementwise.add[dtype](at(call_.residual, dtype_, r * call_.residual_stride + col), product.memory, out, n);
    }
  }

  // sums [rows, kCols] of n rows of the weight, with the bias.
  void multiply(const Rows& x, std::size_t row, std::size_t n, float* sums) const {
    const Dtype dtype = linear_.weight_dtype;
    kernels_.gemm.dot_of(operand_, dtype)(x.data, x.stride, linear_.rows,
                                          at(linear_.weight, dtype, row * linear_.weight_stride), linear_.weight_stride, n,
                                          linear_.in, sums, kCols);
    if (linear_.bias == nullptr) return;
    float bias[kCols];
    kernels_.widen(linear_.bias_dtype)(at(linear_.bias, linear_.bias_dtype, row), bias, n);
    for (std::size_t r = 0; r < linear_.rows; ++r) {
      for (std::size_t c = 0; c < n; ++c) sums[r * kCols + c] += bias[c];
    }
  }

  const Project& call_;
  const Linear& linear_;
  const Dtype dtype_;
  const Isa isa_;
  const CpuKernels& kernels_;
  const Dtype operand_;  // what x is multiplied as
};

}  // namespace

void project(const Project& call, Isa isa) {
  if (call.linear.rows == 0 || call.linear.out == 0) return;
  Projection(call, isa).run();
}

}  // namespace qknorm
