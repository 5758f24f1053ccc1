// bf16, f16 and f32 bit patterns in portable C++. Only for translation units built with the baseline flags: an inline
// function compiled for AVX-512 here could be the copy that the linker keeps for everyone.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace qknorm {

inline float decode_bf16(std::uint32_t pattern) { return std::bit_cast<float>(pattern << 16); }

// No branches in these two: compilers then run several lanes at once.
inline float decode_f16(std::uint32_t pattern) {
  const std::uint32_t sign = (pattern & 0x8000) << 16;
  const std::uint32_t rest = (pattern & 0x7fff) << 13;
  // The exponent is off by 112; a multiplication corrects normal and subnormal values alike, exactly.
  const std::uint32_t finite = std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest) * 0x1p112f);
  return std::bit_cast<float>(sign | (rest >= 0x0f800000 ? 0x70000000 | rest : finite));
}

// Nearest, ties to even, for an x that is no NaN.
inline std::uint32_t round_f32_to_bf16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}

// Nearest, ties to even; NaN becomes the quiet NaN of f32's canonical one.
inline std::uint32_t round_f32_to_f16(float x) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t magnitude = bits & 0x7fffffff;
  const std::uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  // Below 2^-14 an f32 addition rounds at 2^-24. (From 65520 up, normal has carried into infinity or beyond.)
  const float small = std::bit_cast<float>(magnitude < 0x38800000 ? magnitude : 0);
  const std::uint32_t subnormal = std::bit_cast<std::uint32_t>(small + 0.5f) - 0x3f000000;
  std::uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x47800000 ? 0x7c00 : half;
  half = magnitude > 0x7f800000 ? 0x7e00 : half;
  return ((bits >> 16) & 0x8000) | half;
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
