// Vectors of four f32 in the compiler's portable vector type: lanes_avx512.h for what every processor of the target
// runs, and what each name means. No fused multiply-add.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "cpu/dtype.h"

namespace qknorm {

struct LanesScalar {
  typedef float F32 __attribute__((vector_size(16)));
  static constexpr std::size_t kLanes = 4;
  static constexpr std::size_t kTileRows = 2;
  static constexpr std::size_t kTileCols = 4;
  static constexpr std::size_t kPackedRows = 0;  // nothing is packed: it was not measured here
  static constexpr std::size_t kPackedCols = 1;

  static F32 splat(float x) { return F32{x, x, x, x}; }
  static F32 add(F32 x, F32 y) { return x + y; }
  static F32 sub(F32 x, F32 y) { return x - y; }
  static F32 mul(F32 x, F32 y) { return x * y; }
  static F32 div(F32 x, F32 y) { return x / y; }
  static F32 max(F32 x, F32 y) { return x > y ? x : y; }
  static F32 muladd(F32 x, F32 y, F32 sum) { return x * y + sum; }
  static F32 negative_magnitude(F32 x) {
    for (std::size_t i = 0; i < kLanes; ++i) x[i] = -std::fabs(x[i]);
    return x;
  }
  static F32 select_negative(F32 x, F32 if_negative, F32 otherwise) {
    for (std::size_t i = 0; i < kLanes; ++i) {
      if (std::signbit(x[i])) otherwise[i] = if_negative[i];
    }
    return otherwise;
  }

  template <Dtype D>
  static F32 load(const void* base, std::size_t i) {
    return load_some<D>(base, i, kLanes);
  }
  template <Dtype D>
  static F32 load_some(const void* base, std::size_t i, std::size_t count) {
    F32 x = {};
    if constexpr (D == Dtype::kF32) {
      std::memcpy(&x, static_cast<const float*>(base) + i, count * sizeof(float));
    } else {
      for (std::size_t j = 0; j < count; ++j) x[j] = widen<D>(static_cast<const std::uint16_t*>(base)[i + j]);
    }
    return x;
  }
  template <Dtype D>
  static void store(void* base, std::size_t i, F32 x) {
    store_some<D>(base, i, x, kLanes);
  }
  template <Dtype D>
  static void store_some(void* base, std::size_t i, F32 x, std::size_t count) {
    if constexpr (D == Dtype::kF32) {
      std::memcpy(static_cast<float*>(base) + i, &x, count * sizeof(float));
    } else {
      for (std::size_t j = 0; j < count; ++j) static_cast<std::uint16_t*>(base)[i + j] = narrow<D>(x[j]);
    }
  }
  template <Dtype D>
  static F32 round_to(F32 x) {
    if constexpr (D != Dtype::kF32) {
      for (std::size_t i = 0; i < kLanes; ++i) x[i] = widen<D>(narrow<D>(x[i]));
    }
    return x;
  }

  static float reduce(F32 x) { return (x[0] + x[1]) + (x[2] + x[3]); }
  static void reduce_tile(const F32 (&x)[kTileCols], float* sums) {
    for (std::size_t i = 0; i < kTileCols; ++i) sums[i] = reduce(x[i]);
  }
  static float reduce_max(F32 x) {
    const float a = x[0] > x[1] ? x[0] : x[1], b = x[2] > x[3] ? x[2] : x[3];
    return a > b ? a : b;
  }

  static F32 exp(F32 x) { return F32{std::exp(x[0]), std::exp(x[1]), std::exp(x[2]), std::exp(x[3])}; }

 private:
  template <Dtype D>
  static float widen(std::uint16_t x) {
    if constexpr (D == Dtype::kBf16) return std::bit_cast<float>(std::uint32_t(x) << 16);
    const std::uint32_t sign = std::uint32_t(x & 0x8000) << 16, exponent = x >> 10 & 31, fraction = x & 0x3ff;
    if (exponent == 31) {
      const std::uint32_t quiet = fraction != 0 ? 0x400000 : 0;
      return std::bit_cast<float>(sign | 0x7f800000 | quiet | fraction << 13);
    }
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float magnitude = float(fraction) * 0x1p-24f;  // subnormal: exact in f32
    return sign != 0 ? -magnitude : magnitude;
  }
  template <Dtype D>
  static std::uint16_t narrow(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & 0x7fffffff;
    if constexpr (D == Dtype::kBf16) {
      if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
      return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    const std::uint32_t sign = bits >> 16 & 0x8000;
    if (magnitude > 0x7f800000) return static_cast<std::uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    if (magnitude >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);  // from 65520 on: infinity
    if (magnitude < 0x38800000) {
      // Subnormal: adding 0.5 leaves the multiple of 2^-24, rounded to even, in the low bits.
      const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
      return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(aligned) - 0x3f000000));
    }
    const std::uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000) >> 13));
  }
};

}  // namespace qknorm
