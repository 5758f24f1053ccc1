// bf16, f16 and f32 bit patterns in portable C++. Only for translation units built with the baseline flags: an inline
// function compiled for AVX-512 here could be the copy that the linker keeps for everyone.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace qknorm {

inline float decode_bf16(std::uint16_t pattern) { return std::bit_cast<float>(std::uint32_t(pattern) << 16); }

inline float decode_f16(std::uint16_t pattern) {
  const std::uint32_t sign = std::uint32_t(pattern & 0x8000) << 16;
  const std::uint32_t rest = std::uint32_t(pattern & 0x7fff) << 13;
  if (rest >= 0x0f800000) return std::bit_cast<float>(sign | 0x70000000 | rest);  // infinity, NaN
  // The exponent is off by 112; a multiplication corrects normal and subnormal values alike, exactly.
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) * 0x1p112f));
}

// Nearest, ties to even, for an x that is no NaN.
inline std::uint32_t round_f32_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

// Nearest, ties to even; NaN becomes the quiet NaN of f32's canonical one.
inline std::uint16_t round_f32_to_f16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  std::uint32_t half;
  if (magnitude > 0x7f800000) {
    half = 0x7e00;
  } else if (magnitude >= 0x47800000) {  // 65536 and above
    half = 0x7c00;
  } else if (magnitude < 0x38800000) {  // below 2^-14: let an f32 addition round at 2^-24
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000;
  } else {
    half = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  }
  return static_cast<std::uint16_t>(((bits >> 16) & 0x8000) | half);
}

// Truncated, with the last bit set where anything was lost: rounding that to fewer bits gives what rounding x itself
// would give (Boldo and Melquiond 2008). Every NaN becomes the same one.
inline float narrow_to_odd(double x) {
  if (x != x) return std::bit_cast<float>(0x7fc00000u);
  const float nearest = static_cast<float>(x);
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  bits -= std::fabs(double(nearest)) > std::fabs(x) ? 1 : 0;
  bits |= double(nearest) != x ? 1 : 0;
  return std::bit_cast<float>(bits);
}

}  // namespace qknorm
