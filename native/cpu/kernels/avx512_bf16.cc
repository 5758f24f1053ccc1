// Products of bf16 that are added up in f32 by one instruction. What else there is for it is that of avx512.cc.
#include "cpu/kernels/dot.h"
#include "cpu/kernels/lanes_avx512.h"

namespace qknorm {
namespace {

// Each lane adds the products of two neighbours to its sum, the second first; both are exact in f32, and each addition is
// rounded to nearest. Numbers below 2^-126 count as zero, in what comes in as in what goes out.
struct Bf16Pairs {
  using X = std::uint16_t;
  using Packed = std::uint16_t;
  using Operand = __m512i;
  static constexpr std::size_t kStep = 32;
  static constexpr std::size_t kStreamAhead = 256;

  static Operand load_x(const X* x) { return _mm512_loadu_si512(x); }
  static Operand load_x(const X* x, std::size_t count) { return _mm512_maskz_loadu_epi16((1u << count) - 1, x); }
  template <Dtype D>
  static Operand load_w(const void* w, std::size_t i) {
    static_assert(D == Dtype::kBf16);
    return load_x(static_cast<const X*>(w) + i);
  }
  template <Dtype D>
  static Operand load_w(const void* w, std::size_t i, std::size_t count) {
    return load_x(static_cast<const X*>(w) + i, count);
  }
  static void store_packed(Packed* to, Operand w) { _mm512_storeu_si512(to, w); }
  static Operand load_packed(const Packed* from) { return _mm512_loadu_si512(from); }
  static __m512 muladd(Operand x, Operand w, __m512 sum) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w));
  }
};

}  // namespace

extern const GemmKernels::Dot kAvx512Bf16Dot;
const GemmKernels::Dot kAvx512Bf16Dot = DotOver<LanesAvx512, Bf16Pairs>::dot<Dtype::kBf16>;

}  // namespace qknorm
