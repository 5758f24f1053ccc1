// The functions of native/kernels/ptx.cuh for the stand-in device, with the same roundings.
#pragma once

template <int BYTES, class T>
static inline void expect_aligned(T* address) {
  if (reinterpret_cast<u64>(address) % BYTES) emulator::fail("misaligned: %p, of which %d bytes were wanted at once", address, BYTES);
}

template <int WORDS>
static inline void load_words(const char* from, u32* to) {
  expect_aligned<4 * WORDS>(from);
  __builtin_memcpy(to, from, 4 * WORDS);
}

template <int WORDS>
static inline void store_words(char* to, const u32* from) {
  expect_aligned<4 * WORDS>(to);
  __builtin_memcpy(to, from, 4 * WORDS);
}

static inline u16 load_half_word(const char* from) { return expect_aligned<2>(from), *reinterpret_cast<const u16*>(from); }
static inline void store_half_word(char* to, u16 half) { expect_aligned<2>(to), *reinterpret_cast<u16*>(to) = half; }
static inline void prefetch_line(const char*) {}
static inline void pin(const char*&) {}
static inline void pin(u32&) {}

// f16 by integers: 1 sign bit, 5 of exponent, 10 of mantissa.
static inline float f16_value(u16 bits) {
  const u32 sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  const float value = static_cast<float>(magnitude & 0x3ffu) * 0x1p-24f;  // without a leading one
  if (magnitude < 0x400) return sign ? -value : value;
  return __uint_as_float(sign | ((magnitude >> 10) + 112) << 23 | (magnitude & 0x3ffu) << 13);
}

static inline u16 f16_bits(float value) {
  const u32 bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<u16>(0x7fff);  // NaN, as the instruction gives it
  if (magnitude >= 0x477ff000u) return static_cast<u16>(sign | 0x7c00u);  // 65520 and above
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 rounds to a step of 2^-24
    return static_cast<u16>(sign | (__float_as_uint(__uint_as_float(magnitude) + 0.5f) & 0x7ffu));
  }
  return static_cast<u16>(sign | (((magnitude + 0xfffu + (magnitude >> 13 & 1u)) >> 13) - (112u << 10)));
}

static inline u32 bf16_bits(float value) {
  const u32 bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static inline void unpack_f16(u32 word, float& low, float& high) {
  low = f16_value(static_cast<u16>(word));
  high = f16_value(static_cast<u16>(word >> 16));
}
static inline u32 e4m3_bits(float value) {
  const u32 bits = __float_as_uint(value), sign = bits >> 24 & 0x80u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7f;
  if (magnitude >= 0x43e00000u) return sign | 0x7e;
  if (magnitude < 0x3c800000u) return sign | (__float_as_uint(__uint_as_float(magnitude) + 16384.0f) & 0xfu);
  return sign | (((magnitude + 0x7ffffu + (magnitude >> 20 & 1u)) >> 20) - (120u << 3));
}
static inline u32 pack_e4m3(float low, float high) { return e4m3_bits(low) | e4m3_bits(high) << 8; }
static inline u32 pack_f16(float low, float high) { return f16_bits(low) | static_cast<u32>(f16_bits(high)) << 16; }
static inline u32 pack_bf16(float low, float high) { return bf16_bits(low) | bf16_bits(high) << 16; }
static inline float approximate_inverse_root(float value) { return __frsqrt_rn(value); }
static inline float approximate_exp2(float value) { return __builtin_exp2f(value); }

static inline char* dynamic_shared() { return emulator::now->block->shared; }

// Launches run one after the other here.
static inline void wait_for_predecessor() {}
static inline void allow_successor() {}
