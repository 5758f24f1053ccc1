// CacheKernels, written once over Lanes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "cpu/kernels.h"

namespace qknorm {

template <typename Lanes>
struct CacheOver {
  // Values that are widened at a time; loops over them are the compiler's to turn into vectors.
  static constexpr std::size_t kBlock = 64;

  template <Dtype D>
  static void widen(const void* row, std::size_t i, std::size_t count, float (&values)[kBlock]) {
    std::size_t j = 0;
    for (; j + Lanes::kLanes <= count; j += Lanes::kLanes) {
      Lanes::template store<Dtype::kF32>(values, j, Lanes::template load<D>(row, i + j));
    }
    if (j < count) {
      Lanes::template store_some<Dtype::kF32>(values, j, Lanes::template load_some<D>(row, i + j, count - j), count - j);
    }
  }

  template <Dtype D>
  static float largest(const void* row, std::size_t n) {
    std::uint32_t found = 0;  // magnitudes are in order as integers, NaN above infinity
    for (std::size_t i = 0; i < n; i += kBlock) {
      float values[kBlock] = {};
      widen<D>(row, i, n - i < kBlock ? n - i : kBlock, values);
      for (std::size_t j = 0; j < kBlock; ++j) {
        const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(values[j]) & 0x7fffffff;
        const std::uint32_t number = magnitude > 0x7f800000 ? 0 : magnitude;
        found = number > found ? number : found;
      }
    }
    return std::bit_cast<float>(found);
  }

  // Nearest, ties to even. What is larger than 448 becomes 448; every NaN becomes 0x7f.
  static std::uint32_t e4m3(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & 0x7fffffff;
    // Drops 20 bits; the exponent's bias goes from 127 to 7.
    const std::uint32_t normal = ((magnitude + 0x7ffff + (magnitude >> 20 & 1)) >> 20) - (120u << 3);
    // Below 2^-6 the steps are 2^-9: adding 2^14 leaves their number in the low bits.
    const float small = std::bit_cast<float>(magnitude < 0x3c800000 ? magnitude : 0);
    const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(small + 0x1p14f) - 0x46800000;
    std::uint32_t pattern = magnitude < 0x3c800000 ? subnormal : normal;
    pattern = magnitude >= 0x43e00000 ? 0x7e : pattern;
    pattern |= bits >> 24 & 0x80;
    return magnitude > 0x7f800000 ? 0x7f : pattern;
  }

  template <Dtype D>
  static void store_e4m3(const void* row, std::uint8_t* out, std::size_t n, float factor) {
    for (std::size_t i = 0; i < n; i += kBlock) {
      const std::size_t count = n - i < kBlock ? n - i : kBlock;
      float values[kBlock] = {};
      widen<D>(row, i, count, values);
      std::uint8_t patterns[kBlock];
      for (std::size_t j = 0; j < kBlock; ++j) patterns[j] = static_cast<std::uint8_t>(e4m3(values[j] * factor));
      __builtin_memcpy(out + i, patterns, count);
    }
  }

  static constexpr CacheKernels kTable = {
      {largest<Dtype::kF32>, largest<Dtype::kBf16>, largest<Dtype::kF16>},
      {store_e4m3<Dtype::kF32>, store_e4m3<Dtype::kBf16>, store_e4m3<Dtype::kF16>},
  };
};

}  // namespace qknorm
