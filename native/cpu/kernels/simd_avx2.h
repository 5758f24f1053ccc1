// Sixteen virtual lanes in pairs and fours of AVX2 registers, with FMA and F16C, for the bits of simd_avx512.h, which says
// what each name means.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace qknorm {

struct SimdAvx2 {
  struct F32 {
    __m256 lo, hi;  // lanes 0-7, 8-15
  };
  struct F64 {
    __m256d q0, q1, q2, q3;  // lanes 0-3, 4-7, 8-11, 12-15
  };
  struct Pair {
    F32 a, b;
  };

  static F32 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F32 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void store(float* p, F32 x) {
    _mm256_storeu_ps(p, x.lo);
    _mm256_storeu_ps(p + 8, x.hi);
  }
  static F32 mul(F32 x, F32 y) { return {_mm256_mul_ps(x.lo, y.lo), _mm256_mul_ps(x.hi, y.hi)}; }

  static F64 splat64(double x) {
    const __m256d v = _mm256_set1_pd(x);
    return {v, v, v, v};
  }
  static F64 load(const double* p) {
    return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4), _mm256_loadu_pd(p + 8), _mm256_loadu_pd(p + 12)};
  }
  static F64 widen(F32 x) {
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(x.lo)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.lo, 1)),
            _mm256_cvtps_pd(_mm256_castps256_ps128(x.hi)), _mm256_cvtps_pd(_mm256_extractf128_ps(x.hi, 1))};
  }
  static F64 add(F64 x, F64 y) {
    return {_mm256_add_pd(x.q0, y.q0), _mm256_add_pd(x.q1, y.q1), _mm256_add_pd(x.q2, y.q2), _mm256_add_pd(x.q3, y.q3)};
  }
  static F64 sub(F64 x, F64 y) {
    return {_mm256_sub_pd(x.q0, y.q0), _mm256_sub_pd(x.q1, y.q1), _mm256_sub_pd(x.q2, y.q2), _mm256_sub_pd(x.q3, y.q3)};
  }
  static F64 mul(F64 x, F64 y) {
    return {_mm256_mul_pd(x.q0, y.q0), _mm256_mul_pd(x.q1, y.q1), _mm256_mul_pd(x.q2, y.q2), _mm256_mul_pd(x.q3, y.q3)};
  }
  static F64 add_exact_square(F64 sum, F64 x) {
    return {_mm256_fmadd_pd(x.q0, x.q0, sum.q0), _mm256_fmadd_pd(x.q1, x.q1, sum.q1),
            _mm256_fmadd_pd(x.q2, x.q2, sum.q2), _mm256_fmadd_pd(x.q3, x.q3, sum.q3)};
  }
  static double reduce(F64 x) {
    const __m256d four = _mm256_add_pd(_mm256_add_pd(x.q0, x.q2), _mm256_add_pd(x.q1, x.q3));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }

  static F32 narrow(F64 x) {
    return {canonical(join(_mm256_cvtpd_ps(x.q0), _mm256_cvtpd_ps(x.q1))),
            canonical(join(_mm256_cvtpd_ps(x.q2), _mm256_cvtpd_ps(x.q3)))};
  }
  static F32 narrow_to_odd(F64 x) {
    return {canonical(join(to_odd(x.q0), to_odd(x.q1))), canonical(join(to_odd(x.q2), to_odd(x.q3)))};
  }

  struct Bf16 {
    using Element = std::uint16_t;
    struct Packed {
      __m256i lo, hi;
    };
    static constexpr bool kInterleaved = true;
    static constexpr Element kOne = 0x3f80;

    static Pair load(const Element* p) {
      const __m256i x = load_bits(p), y = load_bits(p + 16);
      return {{_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(y, 16))},
              {_mm256_castsi256_ps(_mm256_and_si256(x, high())), _mm256_castsi256_ps(_mm256_and_si256(y, high()))}};
    }
    static void store(Element* p, Packed a, Packed b) {
      store_bits(p, _mm256_blend_epi16(_mm256_srli_epi32(a.lo, 16), b.lo, 0xaa));
      store_bits(p + 16, _mm256_blend_epi16(_mm256_srli_epi32(a.hi, 16), b.hi, 0xaa));
    }
    static F32 value(Packed x) {
      return {_mm256_castsi256_ps(_mm256_and_si256(x.lo, high())), _mm256_castsi256_ps(_mm256_and_si256(x.hi, high()))};
    }
    static Packed round(F32 x) { return {round(x.lo), round(x.hi)}; }
    struct Nearby {
      Packed rounded;
    };
    template <int kUlps>
    static Nearby round_nearby(F32 x) {
      const __m256i move = _mm256_set1_epi32(0x8000 + kUlps);
      return {{_mm256_add_epi32(_mm256_castps_si256(x.lo), move), _mm256_add_epi32(_mm256_castps_si256(x.hi), move)}};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      const __m256i least = _mm256_min_epu16(_mm256_min_epu16(a.rounded.lo, a.rounded.hi),
                                             _mm256_min_epu16(b.rounded.lo, b.rounded.hi));
      return doubtful<kUlps>(least) != 0;
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      return doubtful<kUlps>(x.rounded.lo) | doubtful<kUlps>(x.rounded.hi) << 8;
    }
    static void spill(Packed x, Element* lanes) {
      alignas(32) std::uint32_t bits[16];
      _mm256_store_si256(reinterpret_cast<__m256i*>(bits), x.lo);
      _mm256_store_si256(reinterpret_cast<__m256i*>(bits + 8), x.hi);
      for (int i = 0; i < 16; ++i) lanes[i] = static_cast<Element>(bits[i] >> 16);
    }
    static Packed fill(const Element* lanes) { return {widen_bits(lanes), widen_bits(lanes + 8)}; }

   private:
    static __m256i high() { return _mm256_set1_epi32(static_cast<int>(0xffff0000)); }
    static __m256i load_bits(const Element* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static void store_bits(Element* p, __m256i x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
    static __m256i widen_bits(const Element* p) {
      return _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16);
    }
    static __m256i round(__m256 x) {
      const __m256i bits = _mm256_castps_si256(x);
      const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
      return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
    }
    template <int kUlps>
    static std::uint32_t doubtful(__m256i x) {
      const __m256i low = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
      const __m256i found = _mm256_cmpgt_epi32(_mm256_set1_epi32(2 * kUlps + 1), low);
      return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(found)));
    }
  };

  struct F16 {
    using Element = std::uint16_t;
    struct Packed {
      __m128i lo, hi;
    };
    static constexpr bool kInterleaved = false;
    static constexpr Element kOne = 0x3c00;

    static Pair load(const Element* p) { return {value(fill(p)), value(fill(p + 16))}; }
    static void store(Element* p, Packed a, Packed b) {
      spill(a, p);
      spill(b, p + 16);
    }
    static F32 value(Packed x) { return {_mm256_cvtph_ps(x.lo), _mm256_cvtph_ps(x.hi)}; }
    static Packed round(F32 x) {
      constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
      return {_mm256_cvtps_ph(x.lo, kNearest), _mm256_cvtps_ph(x.hi, kNearest)};
    }
    struct Nearby {
      Packed rounded, other;
    };
    template <int kUlps>
    static Nearby round_nearby(F32 x) {
      constexpr float kWidth = kUlps * 0x1p-23f;
      return {round(mul(x, splat(1 - kWidth))), round(mul(x, splat(1 + kWidth)))};
    }
    template <int kUlps>
    static bool any_doubtful(const Nearby& a, const Nearby& b) {
      const __m128i differs = _mm_or_si128(difference(a), difference(b));
      return !_mm_testz_si128(differs, differs);
    }
    template <int kUlps>
    static std::uint32_t doubtful_lanes(const Nearby& x) {
      const __m128i same = _mm_packs_epi16(_mm_cmpeq_epi16(x.rounded.lo, x.other.lo),
                                           _mm_cmpeq_epi16(x.rounded.hi, x.other.hi));
      return static_cast<std::uint32_t>(_mm_movemask_epi8(same)) ^ 0xffff;
    }
    static void spill(Packed x, Element* lanes) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes), x.lo);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(lanes + 8), x.hi);
    }
    static Packed fill(const Element* lanes) {
      return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes)),
              _mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes + 8))};
    }

   private:
    static __m128i difference(const Nearby& x) {
      return _mm_or_si128(_mm_xor_si128(x.rounded.lo, x.other.lo), _mm_xor_si128(x.rounded.hi, x.other.hi));
    }
  };

 private:
  static __m256 join(__m128 lo, __m128 hi) { return _mm256_insertf128_ps(_mm256_castps128_ps256(lo), hi, 1); }
  static __m256 canonical(__m256 x) {
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    return _mm256_blendv_ps(x, nan, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  }
  // Without a truncating conversion: round to nearest, step back where that went outwards, then set the last bit.
  static __m128 to_odd(__m256d x) {
    const __m256d magnitude = _mm256_castsi256_pd(_mm256_set1_epi64x(0x7fffffffffffffff));
    const __m128 nearest = _mm256_cvtpd_ps(x);
    const __m256d back = _mm256_cvtps_pd(nearest);
    const __m256d outwards = _mm256_cmp_pd(_mm256_and_pd(back, magnitude), _mm256_and_pd(x, magnitude), _CMP_GT_OQ);
    const __m128i lost = _mm_and_si128(low_halves(_mm256_cmp_pd(back, x, _CMP_NEQ_UQ)), _mm_set1_epi32(1));
    const __m128i truncated = _mm_add_epi32(_mm_castps_si128(nearest), low_halves(outwards));
    return _mm_castsi128_ps(_mm_or_si128(truncated, lost));
  }
  static __m128i low_halves(__m256d mask) {
    const __m256 m = _mm256_castpd_ps(mask);
    return _mm_castps_si128(_mm_shuffle_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1), 0x88));
  }
};

}  // namespace qknorm
