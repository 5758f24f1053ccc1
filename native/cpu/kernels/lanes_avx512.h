// Vectors of sixteen f32 for the ops whose sums may differ between instruction sets: a register's own width, so that a
// tile of sums fills the register file. lanes_avx2.h and lanes_scalar.h offer the same names with other widths. QK
// norm, whose bits are the same everywhere, counts sixteen lanes on all of them: simd_avx512.h.
#pragma once

// GCC 12 takes the deliberately undefined operands inside its own AVX-512 header for mistakes.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"

namespace qknorm {

struct LanesAvx512 {
  using F32 = __m512;
  static constexpr std::size_t kLanes = 16;
  // Of the dot-product tile: kTileRows * kTileCols sums, the rows of x and one weight fill the register file.
  static constexpr std::size_t kTileRows = 3;
  static constexpr std::size_t kTileCols = 8;
  // Of the tile over packed weights, where these are f32 and need a register each.
  static constexpr std::size_t kPackedRows = 6;
  static constexpr std::size_t kPackedCols = 4;

  static F32 splat(float x) { return _mm512_set1_ps(x); }
  static F32 add(F32 x, F32 y) { return _mm512_add_ps(x, y); }
  static F32 sub(F32 x, F32 y) { return _mm512_sub_ps(x, y); }
  static F32 mul(F32 x, F32 y) { return _mm512_mul_ps(x, y); }
  static F32 div(F32 x, F32 y) { return _mm512_div_ps(x, y); }
  static F32 max(F32 x, F32 y) { return _mm512_max_ps(x, y); }  // y where either is NaN
  static F32 muladd(F32 x, F32 y, F32 sum) { return _mm512_fmadd_ps(x, y, sum); }
  static F32 negative_magnitude(F32 x) { return _mm512_or_ps(x, splat(-0.0f)); }
  static F32 select_negative(F32 x, F32 if_negative, F32 otherwise) {
    return _mm512_mask_mov_ps(otherwise, _mm512_movepi32_mask(_mm512_castps_si512(x)), if_negative);
  }

  template <Dtype D>
  static F32 load(const void* base, std::size_t i) {
    if constexpr (D == Dtype::kF32) {
      return _mm512_loadu_ps(static_cast<const float*>(base) + i);
    } else {
      return widen<D>(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(static_cast<const std::uint16_t*>(base) + i)));
    }
  }
  // The first `count` lanes, zero in the others; count < kLanes.
  template <Dtype D>
  static F32 load_some(const void* base, std::size_t i, std::size_t count) {
    const __mmask16 mask = first(count);
    if constexpr (D == Dtype::kF32) {
      return _mm512_maskz_loadu_ps(mask, static_cast<const float*>(base) + i);
    } else {
      return widen<D>(_mm256_maskz_loadu_epi16(mask, static_cast<const std::uint16_t*>(base) + i));
    }
  }
  // Rounded to nearest, ties to even; a NaN stays a NaN and becomes quiet.
  template <Dtype D>
  static void store(void* base, std::size_t i, F32 x) {
    if constexpr (D == Dtype::kF32) {
      _mm512_storeu_ps(static_cast<float*>(base) + i, x);
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(static_cast<std::uint16_t*>(base) + i), narrow<D>(x));
    }
  }
  template <Dtype D>
  static void store_some(void* base, std::size_t i, F32 x, std::size_t count) {
    if constexpr (D == Dtype::kF32) {
      _mm512_mask_storeu_ps(static_cast<float*>(base) + i, first(count), x);
    } else {
      _mm256_mask_storeu_epi16(static_cast<std::uint16_t*>(base) + i, first(count), narrow<D>(x));
    }
  }
  // What a store and a load would give.
  template <Dtype D>
  static F32 round_to(F32 x) {
    if constexpr (D == Dtype::kF32) {
      return x;
    } else {
      return widen<D>(narrow<D>(x));
    }
  }

  // `reduce`, `reduce_tile` and `reduce_packed` add in the same order: the bits of a sum do not depend on its neighbours.
  static float reduce(F32 x) {
    const __m512 pairs = add(_mm512_shuffle_f32x4(x, x, 0x88), _mm512_shuffle_f32x4(x, x, 0xdd));
    const __m128 four = _mm_add_ps(_mm512_castps512_ps128(pairs), _mm512_extractf32x4_ps(pairs, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static void reduce_tile(const F32 (&x)[kTileCols], float* sums) {
    const F32 even = quarters(halves(x[0], x[1]), halves(x[2], x[3]));  // 128 bits for each of x[0..3]
    const F32 odd = quarters(halves(x[4], x[5]), halves(x[6], x[7]));
    const F32 two = add(_mm512_unpacklo_ps(even, odd), _mm512_unpackhi_ps(even, odd));
    const F32 one = add(two, _mm512_permute_ps(two, 0xee));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_ps(sums, _mm512_castps512_ps256(_mm512_permutexvar_ps(order, one)));
  }
  static void reduce_packed(const F32 (&x)[kPackedCols], float* sums) {
    const F32 four = quarters(halves(x[0], x[1]), halves(x[2], x[3]));  // 128 bits for each
    const F32 two = add(four, _mm512_permute_ps(four, 0x4e));
    const F32 one = add(two, _mm512_permute_ps(two, 0xb1));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_ps(sums, _mm512_castps512_ps128(_mm512_permutexvar_ps(order, one)));
  }
  static float reduce_max(F32 x) { return _mm512_reduce_max_ps(x); }

  // e^x within 1 ulp for x <= 88; 0 far below; NaN stays NaN.
  static F32 exp(F32 x) {
    const F32 clamped = _mm512_max_ps(splat(-110.0f), _mm512_min_ps(splat(89.0f), x));  // NaN is kept: it is the second
    const F32 n = _mm512_roundscale_ps(mul(clamped, splat(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    F32 r = _mm512_fnmadd_ps(n, splat(0.693145752f), clamped);
    r = _mm512_fnmadd_ps(n, splat(1.42860677e-6f), r);
    F32 p = splat(1.98756912e-4f);
    p = muladd(p, r, splat(1.39820720e-3f));
    p = muladd(p, r, splat(8.33345205e-3f));
    p = muladd(p, r, splat(4.16657962e-2f));
    p = muladd(p, r, splat(1.66666657e-1f));
    p = muladd(p, r, splat(0.5f));
    p = add(muladd(mul(p, r), r, r), splat(1.0f));
    return _mm512_scalef_ps(p, n);
  }

 private:
  static __mmask16 first(std::size_t count) { return static_cast<__mmask16>((1u << count) - 1); }
  static F32 halves(F32 x, F32 y) { return add(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd)); }
  static F32 quarters(F32 x, F32 y) { return halves(x, y); }

  template <Dtype D>
  static F32 widen(__m256i x) {
    if constexpr (D == Dtype::kBf16) {
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
    } else {
      return _mm512_cvtph_ps(x);
    }
  }
  template <Dtype D>
  static __m256i narrow(F32 x) {
    if constexpr (D == Dtype::kBf16) {
      const __m512i bits = _mm512_castps_si512(x);
      const __m512i even = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), even);
      const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
      const __m512i kept = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
      return _mm512_cvtepi32_epi16(_mm512_srli_epi32(kept, 16));
    } else {
      return _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
  }
};

}  // namespace qknorm
