// Sixteen virtual lanes on AVX-512 for QK norm, whose bits are the same on every instruction set: it needs one number of
// lanes, sums in f64, and roundings that tell when they are in doubt, none of which lanes_avx512.h has. simd_avx2.h and
// simd_scalar.h offer the same names and give the same bits.
#pragma once

// GCC 12 takes the undefined vectors inside its own intrinsics for mistakes of ours (GCC bug 105593).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

namespace qknorm {

struct SimdAvx512 {
  using F32 = __m512;
  struct F64 {
    __m512d lo, hi;  // lanes 0-7, 8-15
  };
  struct Pair {
    F32 a, b;
  };

  static F32 splat(float x) { return _mm512_set1_ps(x); }
  static F32 load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F32 x) { _mm512_storeu_ps(p, x); }
  static F32 mul(F32 x, F32 y) { return _mm512_mul_ps(x, y); }

  static F64 splat64(double x) { return {_mm512_set1_pd(x), _mm512_set1_pd(x)}; }
  static F64 load(const double* p) { return {_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)}; }
  static F64 widen(F32 x) {
    return {_mm512_cvtps_pd(_mm512_castps512_ps256(x)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(x, 1))};
  }
  static F64 add(F64 x, F64 y) { return {_mm512_add_pd(x.lo, y.lo), _mm512_add_pd(x.hi, y.hi)}; }
  static F64 sub(F64 x, F64 y) { return {_mm512_sub_pd(x.lo, y.lo), _mm512_sub_pd(x.hi, y.hi)}; }
  static F64 mul(F64 x, F64 y) { return {_mm512_mul_pd(x.lo, y.lo), _mm512_mul_pd(x.hi, y.hi)}; }
  // sum + x * x for x of at most 26 significant bits: the square is exact, so fusing changes no bit.
  static F64 add_exact_square(F64 sum, F64 x) {
    return {_mm512_fmadd_pd(x.lo, x.lo, sum.lo), _mm512_fmadd_pd(x.hi, x.hi, sum.hi)};
  }
  // Lane i + lane i+8, then +4, +2, +1.
  static double reduce(F64 x) {
    const __m512d eight = _mm512_add_pd(x.lo, x.hi);
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

  // To nearest, ties to even; every NaN becomes the same one.
  static F32 narrow(F64 x) { return canonical(join(_mm512_cvtpd_ps(x.lo), _mm512_cvtpd_ps(x.hi))); }
  // To odd: truncated, and the last bit set where anything was lost. Rounding the result to fewer bits then gives
  // what rounding x itself would give.
  static F32 narrow_to_odd(F64 x) {
    constexpr int kTruncate = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
    const __m256 lo = _mm512_cvt_roundpd_ps(x.lo, kTruncate), hi = _mm512_cvt_roundpd_ps(x.hi, kTruncate);
    const __mmask8 lost_lo = _mm512_cmp_pd_mask(_mm512_cvtps_pd(lo), x.lo, _CMP_NEQ_UQ);
    const __mmask8 lost_hi = _mm512_cmp_pd_mask(_mm512_cvtps_pd(hi), x.hi, _CMP_NEQ_UQ);
    const __m512i bits = _mm512_castps_si512(join(lo, hi));
    const __mmask16 lost = _mm512_kunpackb(lost_hi, lost_lo);
    return canonical(_mm512_castsi512_ps(_mm512_mask_or_epi32(bits, lost, bits, _mm512_set1_epi32(1))));
  }

  // bf16 travels as the high half of a lane. Elements 0, 2, 4, ... of 32 are lanes of `a`, the others of `b`: one
  // shift and one mask unpack them, and the weights are stored in that order too.
  struct Bf16 {
    using Element = std::uint16_t;
    using Packed = __m512i;
    static constexpr bool kInterleaved = true;
    static constexpr Element kOne = 0x3f80;

    static Pair load(const Element* p) {
      const __m512i x = _mm512_loadu_si512(p);
      return {_mm512_castsi512_ps(_mm512_slli_epi32(x, 16)), _mm512_castsi512_ps(_mm512_and_si512(x, high()))};
    }
    static void store(Element* p, Packed a, Packed b) {
      // (a >> 16) | (b & high), the last two in one
      _mm512_storeu_si512(p, _mm512_ternarylogic_epi32(_mm512_srli_epi32(a, 16), b, high(), 0xf8));
    }
    static F32 value(Packed x) { return _mm512_castsi512_ps(_mm512_and_si512(x, high())); }
    static Packed round(F32 x) {
      const __m512i bits = _mm512_castps_si512(x);
      const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
    }
    // x rounded, and what tells whether some value within kUlps units in the last place of x would round otherwise:
    // with the boundary and kUlps added, the low half of such an x is at most twice kUlps.
    struct Nearby {
      Packed rounded;
    };
    template <int kUlps>
    static Nearby round_nearby(F32 x) {
      return {_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000 + kUlps))};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      constexpr __mmask32 kLowHalves = 0x55555555;
      const __m512i least = _mm512_min_epu16(a.rounded, b.rounded);
      return _mm512_mask_cmple_epu16_mask(kLowHalves, least, _mm512_set1_epi16(2 * kUlps)) != 0;
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      const __m512i low = _mm512_and_si512(x.rounded, _mm512_set1_epi32(0xffff));
      return lanes_of(_mm512_cmple_epu32_mask(low, _mm512_set1_epi32(2 * kUlps)));
    }
    static void spill(Packed x, Element* lanes) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), _mm512_cvtepi32_epi16(_mm512_srli_epi32(x, 16)));
    }
    static Packed fill(const Element* lanes) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes));
      return _mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16);
    }

   private:
    static __m512i high() { return _mm512_set1_epi32(static_cast<int>(0xffff0000)); }
  };

  struct F16 {
    using Element = std::uint16_t;
    using Packed = __m256i;
    static constexpr bool kInterleaved = false;
    static constexpr Element kOne = 0x3c00;

    static Pair load(const Element* p) { return {value(fill(p)), value(fill(p + 16))}; }
    static void store(Element* p, Packed a, Packed b) {
      spill(a, p);
      spill(b, p + 16);
    }
    static F32 value(Packed x) { return _mm512_cvtph_ps(x); }
    static Packed round(F32 x) { return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
    // The boundaries of f16 lie elsewhere in each binade of subnormals: try both ends of the range around x.
    struct Nearby {
      Packed rounded, other;
    };
    template <int kUlps>
    static Nearby round_nearby(F32 x) {
      constexpr float kWidth = kUlps * 0x1p-23f;
      return {round(_mm512_mul_ps(x, splat(1 - kWidth))), round(_mm512_mul_ps(x, splat(1 + kWidth)))};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      const __m256i differs =
          _mm256_or_si256(_mm256_xor_si256(a.rounded, a.other), _mm256_xor_si256(b.rounded, b.other));
      return !_mm256_testz_si256(differs, differs);
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      return lanes_of(_mm256_cmpneq_epi16_mask(x.rounded, x.other));
    }
    static void spill(Packed x, Element* lanes) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), x); }
    static Packed fill(const Element* lanes) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)); }
  };

 private:
  // GCC 12 spills a mask of 16 lanes under AddressSanitizer and reads 32 bits back: the upper ones must not reach a caller.
  static std::uint32_t lanes_of(__mmask16 mask) {
#ifdef __SANITIZE_ADDRESS__
    std::uint32_t lanes;
    asm("movzwl %w1, %0" : "=r"(lanes) : "r"(static_cast<std::uint32_t>(mask)));
    return lanes;
#else
    return mask;
#endif
  }
  static F32 join(__m256 lo, __m256 hi) { return _mm512_insertf32x8(_mm512_castps256_ps512(lo), hi, 1); }
  static F32 canonical(F32 x) {
    return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
  }
};

}  // namespace qknorm
