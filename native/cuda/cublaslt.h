// cuBLASLt, the library of matrix products on the tensor cores. Opened once per process, never linked.
#pragma once

#include <memory>
#include <string>

#include "cuda/memory.h"

namespace qknorm::cuda {

inline constexpr int kOldestCublasLt = 12;

struct CublasLt {
  std::string path;
  int major = 0, minor = 0;
};

// Opens the library at `path`: an empty answer, or why it cannot be used. It may not be older than CUDA 12 nor, unless
// `newest` is 0, newer than CUDA `newest`. The process keeps the first success, whatever is asked for later.
std::string open_cublaslt(const std::string& path, int newest);

// The library, or null before open_cublaslt().
const CublasLt* opened_cublaslt();

// out [rows, outputs] = x [rows, inputs] * weight [outputs, inputs]^T + bias [outputs] + added [rows, outputs], all of
// one dtype, accumulated in f32 (of f32 without TF32) and rounded once. Strides are elements between rows.
struct ProductShape {
  unsigned dtype;  // native/cpu/dtype.h
  std::size_t rows, outputs, inputs;
  std::size_t x_stride, weight_stride, added_stride, out_stride;
  bool bias, adds;
  unsigned alignment;  // bytes that every address is a multiple of
};

struct Operand {
  std::shared_ptr<Memory> memory;  // null: none
  std::size_t offset, length;      // bytes
};

struct ProductOperands {
  Operand x, weight, bias, added, out;
};

// How cuBLASLt computes products of one shape. Of one thread at a time.
class ProductPlan {
 public:
  // Throws ERR_CUDA where cuBLASLt has no way, ERR_QKNORM_SCOPE where it finds none while this thread captures.
  ProductPlan(Device& device, const ProductShape& shape);
  ~ProductPlan();
  ProductPlan(const ProductPlan&) = delete;

  // Queues it. Throws ERR_QKNORM_DEVICE, ERR_QKNORM_LAYOUT, ERR_QKNORM_ARGUMENT, ERR_CUDA.
  void run(const std::shared_ptr<Stream>& stream, const ProductOperands& operands);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

template <>
struct HandleKind<ProductPlan> {
  static constexpr Handle number = 8;
  static constexpr const char* name = "plan of a product";
};

}  // namespace qknorm::cuda
