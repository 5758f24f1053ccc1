#include "cpu/pointwise.h"

#include <algorithm>
#include <cmath>

#include "cpu/kernels.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// Worth another thread: about ten microseconds of work.
constexpr std::size_t kVectorGrain = 32768;
constexpr std::size_t kScalarGrain = 1024;
// Numbers that are widened at once.
constexpr std::size_t kPiece = 256;

const unsigned char* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const unsigned char*>(base) + i * bytes_of(dtype);
}
unsigned char* at(void* base, Dtype dtype, std::size_t i) {
  return static_cast<unsigned char*>(base) + i * bytes_of(dtype);
}

// `of` takes and gives f32; what it gives is rounded to the dtype.
template <typename Of>
void each(Dtype dtype, const void* x, void* out, std::size_t count, Isa isa, const Of& of) {
  const auto widen = kernels_of(isa).widen(dtype), narrow = kernels_of(isa).narrow(dtype);
  parallel_for(count, kScalarGrain, [&](std::size_t begin, std::size_t end) {
    float values[kPiece];
    for (std::size_t i = begin; i < end; i += kPiece) {
      const std::size_t n = std::min(kPiece, end - i);
      widen(at(x, dtype, i), values, n);
      for (std::size_t j = 0; j < n; ++j) values[j] = of(values[j]);
      narrow(values, at(out, dtype, i), n);
    }
  });
}

void soft_cap(const Pointwise& call, Isa isa) {
  const auto widen = kernels_of(isa).widen(call.dtype), narrow = kernels_of(isa).narrow(call.dtype);
  const float cap = call.number;
  parallel_for(call.count, kScalarGrain, [&](std::size_t begin, std::size_t end) {
    float values[kPiece];
    unsigned char rounded[kPiece * sizeof(float)];
    for (std::size_t i = begin; i < end; i += kPiece) {
      const std::size_t n = std::min(kPiece, end - i);
      const auto round = [&] {
        narrow(values, rounded, n);
        widen(rounded, values, n);
      };
      widen(at(call.x, call.dtype, i), values, n);
      for (std::size_t j = 0; j < n; ++j) values[j] /= cap;
      round();
      for (std::size_t j = 0; j < n; ++j) values[j] = static_cast<float>(std::tanh(static_cast<double>(values[j])));
      round();
      for (std::size_t j = 0; j < n; ++j) values[j] *= cap;
      narrow(values, at(call.out, call.dtype, i), n);
    }
  });
}

double softplus(double x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::fabs(x))); }

}  // namespace

void pointwise(const Pointwise& call, Isa isa) {
  const ElementwiseKernels& kernels = kernels_of(isa).elementwise;
  const int dtype = static_cast<int>(call.dtype);
  const auto unary = [&](ElementwiseKernels::Unary kernel) {
    parallel_for(call.count, kVectorGrain, [&](std::size_t begin, std::size_t end) {
      kernel(at(call.x, call.dtype, begin), at(call.out, call.dtype, begin), end - begin);
    });
  };
  if (call.kind == PointwiseKind::kSoftCap) return soft_cap(call, isa);
  if (call.kind == PointwiseKind::kScale) {
    parallel_for(call.count, kVectorGrain, [&](std::size_t begin, std::size_t end) {
      kernels.scale[dtype](at(call.x, call.dtype, begin), at(call.out, call.dtype, begin), end - begin, call.number);
    });
    return;
  }
  if (call.kind == PointwiseKind::kClamp) {
    const float limit = call.number;
    return each(call.dtype, call.x, call.out, call.count, isa,
                [limit](float x) { return x < -limit ? -limit : x > limit ? limit : x; });
  }
  const auto activation = static_cast<Activation>(call.kind);
  if (activation == Activation::kRelu) return unary(kernels.relu[dtype]);
  if (activation == Activation::kRelu2) return unary(kernels.relu2[dtype]);
  each(call.dtype, call.x, call.out, call.count, isa, [activation](float x) { return activate(activation, x); });
}

void xielu(const Xielu& call, Isa isa) {
  const double above = softplus(call.alpha_p), below = call.beta + softplus(call.alpha_n);
  each(call.dtype, call.x, call.out, call.count, isa, [&](float value) {
    const double x = value;
    const double bent = x > 0 ? above * x * x : (std::expm1(std::min(x, call.eps)) - x) * below;
    return static_cast<float>(bent + call.beta * x);
  });
}

}  // namespace qknorm
