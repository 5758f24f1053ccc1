#include "cpu/elementwise.h"

#include <cstring>

#include "cpu/kernels.h"
#include "cpu/thread_pool.h"

namespace qknorm {
namespace {

// Worth another thread: about ten microseconds of work.
constexpr std::size_t kGrain = 32768;      // elements that only pass through
constexpr std::size_t kSiluGrain = 8192;   // elements
constexpr std::size_t kCopyGrain = 131072; // bytes

const unsigned char* at(const void* base, Dtype dtype, std::size_t i) {
  return static_cast<const unsigned char*>(base) + i * bytes_of(dtype);
}
unsigned char* at(void* base, Dtype dtype, std::size_t i) {
  return static_cast<unsigned char*>(base) + i * bytes_of(dtype);
}

}  // namespace

void silu_mul(const SiluMul& call, Isa isa) {
  if (call.rows == 0 || call.width == 0) return;
  const ElementwiseKernels& kernels = kernels_of(isa).elementwise;
  const auto& by_dtype = call.rounding == SiluRounding::kHf ? kernels.silu_mul_hf : kernels.silu_mul_once;
  const auto kernel = by_dtype[static_cast<int>(call.dtype)];
  // Over all values, not rows: one token's row is long enough for several threads.
  parallel_for(call.rows * call.width, kSiluGrain, [&](std::size_t begin, std::size_t end) {
    while (begin < end) {
      const std::size_t row = begin / call.width, col = begin % call.width;
      const std::size_t n = call.width - col < end - begin ? call.width - col : end - begin;
      const unsigned char* const gate = at(call.gate_up, call.dtype, row * call.gate_up_stride + col);
      kernel(gate, at(gate, call.dtype, call.width), at(call.out, call.dtype, row * call.out_stride + col), n);
      begin += n;
    }
  });
}

void add(Dtype dtype, const void* a, const void* b, void* out, std::size_t n, Isa isa) {
  const auto kernel = kernels_of(isa).elementwise.add[static_cast<int>(dtype)];
  parallel_for(n, kGrain, [&](std::size_t begin, std::size_t end) {
    kernel(at(a, dtype, begin), at(b, dtype, begin), at(out, dtype, begin), end - begin);
  });
}

void mul(Dtype dtype, const void* a, const void* b, void* out, std::size_t n, Isa isa) {
  const auto kernel = kernels_of(isa).elementwise.mul[static_cast<int>(dtype)];
  parallel_for(n, kGrain, [&](std::size_t begin, std::size_t end) {
    kernel(at(a, dtype, begin), at(b, dtype, begin), at(out, dtype, begin), end - begin);
  });
}

void convert(Dtype from_dtype, const void* from, Dtype to_dtype, void* to, std::size_t n, Isa isa) {
  const auto kernel = kernels_of(isa).convert(from_dtype, to_dtype);
  parallel_for(n, kGrain, [&](std::size_t begin, std::size_t end) {
    kernel(at(from, from_dtype, begin), at(to, to_dtype, begin), end - begin);
  });
}

void gather_rows(const GatherRows& call, Isa isa) {
  if (call.rows == 0 || call.width == 0) return;
  const auto kernel = kernels_of(isa).convert(call.table_dtype, call.out_dtype);
  parallel_for(call.rows, kGrain / call.width + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      const std::size_t id = static_cast<std::size_t>(call.ids[r]);
      kernel(at(call.table, call.table_dtype, id * call.table_stride),
             at(call.out, call.out_dtype, r * call.out_stride), call.width);
    }
  });
}

void copy_rows(const CopyRows& call) {
  if (call.rows == 0 || call.row_bytes == 0) return;
  parallel_for(call.rows, kCopyGrain / call.row_bytes + 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      std::memcpy(static_cast<unsigned char*>(call.to) + r * call.to_stride,
                  static_cast<const unsigned char*>(call.from) + r * call.from_stride, call.row_bytes);
    }
  });
}

}  // namespace qknorm
