// Vectors of eight f32 on AVX2 with FMA and F16C: lanes_avx512.h at the width of this register file, and what each name
// means.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu/dtype.h"

namespace qknorm {

struct LanesAvx2 {
  using F32 = __m256;
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kTileRows = 3;
  static constexpr std::size_t kTileCols = 4;
  static constexpr std::size_t kPackedRows = 0;  // nothing is packed: it was not measured here
  static constexpr std::size_t kPackedCols = 1;

  static F32 splat(float x) { return _mm256_set1_ps(x); }
  static F32 add(F32 x, F32 y) { return _mm256_add_ps(x, y); }
  static F32 sub(F32 x, F32 y) { return _mm256_sub_ps(x, y); }
  static F32 mul(F32 x, F32 y) { return _mm256_mul_ps(x, y); }
  static F32 div(F32 x, F32 y) { return _mm256_div_ps(x, y); }
  static F32 max(F32 x, F32 y) { return _mm256_max_ps(x, y); }
  static F32 muladd(F32 x, F32 y, F32 sum) { return _mm256_fmadd_ps(x, y, sum); }
  static F32 negative_magnitude(F32 x) { return _mm256_or_ps(x, splat(-0.0f)); }
  static F32 select_negative(F32 x, F32 if_negative, F32 otherwise) {
    return _mm256_blendv_ps(otherwise, if_negative, x);
  }

  template <Dtype D>
  static F32 load(const void* base, std::size_t i) {
    if constexpr (D == Dtype::kF32) {
      return _mm256_loadu_ps(static_cast<const float*>(base) + i);
    } else {
      return widen<D>(_mm_loadu_si128(reinterpret_cast<const __m128i*>(static_cast<const std::uint16_t*>(base) + i)));
    }
  }
  template <Dtype D>
  static F32 load_some(const void* base, std::size_t i, std::size_t count) {
    alignas(32) unsigned char bytes[32] = {};
    std::memcpy(bytes, static_cast<const unsigned char*>(base) + i * bytes_of(D), count * bytes_of(D));
    return load<D>(bytes, 0);
  }
  template <Dtype D>
  static void store(void* base, std::size_t i, F32 x) {
    if constexpr (D == Dtype::kF32) {
      _mm256_storeu_ps(static_cast<float*>(base) + i, x);
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(static_cast<std::uint16_t*>(base) + i), narrow<D>(x));
    }
  }
  template <Dtype D>
  static void store_some(void* base, std::size_t i, F32 x, std::size_t count) {
    alignas(32) unsigned char bytes[32];
    store<D>(bytes, 0, x);
    std::memcpy(static_cast<unsigned char*>(base) + i * bytes_of(D), bytes, count * bytes_of(D));
  }
  template <Dtype D>
  static F32 round_to(F32 x) {
    if constexpr (D == Dtype::kF32) {
      return x;
    } else {
      return widen<D>(narrow<D>(x));
    }
  }

  static float reduce(F32 x) {
    const __m256 pairs = _mm256_hadd_ps(x, x);
    const __m256 fours = _mm256_hadd_ps(pairs, pairs);
    return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }
  static void reduce_tile(const F32 (&x)[kTileCols], float* sums) {
    const __m256 fours = _mm256_hadd_ps(_mm256_hadd_ps(x[0], x[1]), _mm256_hadd_ps(x[2], x[3]));
    _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps(fours, 1)));
  }
  static float reduce_max(F32 x) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }

  static F32 exp(F32 x) {
    const F32 clamped = _mm256_max_ps(splat(-110.0f), _mm256_min_ps(splat(89.0f), x));
    const F32 n = _mm256_round_ps(mul(clamped, splat(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    F32 r = _mm256_fnmadd_ps(n, splat(0.693145752f), clamped);
    r = _mm256_fnmadd_ps(n, splat(1.42860677e-6f), r);
    F32 p = splat(1.98756912e-4f);
    p = muladd(p, r, splat(1.39820720e-3f));
    p = muladd(p, r, splat(8.33345205e-3f));
    p = muladd(p, r, splat(4.16657962e-2f));
    p = muladd(p, r, splat(1.66666657e-1f));
    p = muladd(p, r, splat(0.5f));
    p = add(muladd(mul(p, r), r, r), splat(1.0f));
    // 2^n in two factors: its exponent alone may lie outside the normal range.
    const __m256i half = _mm256_srai_epi32(_mm256_cvtps_epi32(n), 1);
    const __m256i rest = _mm256_sub_epi32(_mm256_cvtps_epi32(n), half);
    return mul(mul(p, power_of_two(half)), power_of_two(rest));
  }

 private:
  static F32 power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }

  template <Dtype D>
  static F32 widen(__m128i x) {
    if constexpr (D == Dtype::kBf16) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
    } else {
      return _mm256_cvtph_ps(x);
    }
  }
  template <Dtype D>
  static __m128i narrow(F32 x) {
    if constexpr (D == Dtype::kBf16) {
      const __m256i bits = _mm256_castps_si256(x);
      const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
      const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), even);
      const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
      const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
      const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
      return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    } else {
      return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
  }
};

}  // namespace qknorm
