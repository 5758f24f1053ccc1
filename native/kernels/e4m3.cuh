// e4m3 of the OCP, as caches hold it: a value is what is stored times a scale.

// Numbered like the dtypes of elements.cuh.
constexpr int E4M3 = 3;
constexpr int NO_SCALES = 0, COMPUTED = 1, GIVEN = 2;
constexpr float LARGEST_E4M3 = 448.0f, LEAST_SCALED = 0x1p-96f, LARGEST_F32 = 0x1.fffffep+127f;

DEVICE constexpr int cache_bytes_of(int dtype) { return dtype == E4M3 ? 1 : bytes_of(dtype); }

// The scale of a row: its largest magnitude over 448. NaN counts as nothing, an infinity as the largest number.
DEVICE float scale_for(float largest) {
  return __fdiv_rn(fminf(fmaxf(largest, LEAST_SCALED), LARGEST_F32), LARGEST_E4M3);
}

// One pattern's value: its exponent, of 4 bits, becomes one of f32, below 2^-6 too; 0x7f and 0xff are NaN.
DEVICE float e4m3_value(u32 bits) {
  const u32 sign = (bits & 0x80u) << 24, magnitude = bits & 0x7fu;
  if (magnitude == 0x7f) return __uint_as_float(0x7fffffffu);
  return __uint_as_float(__float_as_uint(__uint_as_float(magnitude << 20) * 0x1p120f) | sign);
}

// The two values in the lower half of a word, exactly.
DEVICE void unpack_e4m3(u32 both, float& low, float& high) {
#if __CUDA_ARCH__ >= 890 && !defined(QK_EMULATED)
  u32 halves;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(halves) : "h"(static_cast<u16>(both)));
  unpack_f16(halves, low, high);
#else
  low = e4m3_value(both & 0xffu);
  high = e4m3_value(both >> 8 & 0xffu);
#endif
}

// ---- what a cache holds, as arithmetic takes it ----

// The first `count` patterns of eight; ALIGN: as load_chunk's, 2 being no promise.
template <int ALIGN>
DEVICE void load_patterns(const char* p, int count, u32 (&words)[2]) {
  words[0] = words[1] = 0;
  if (ALIGN >= 4 && count == CHUNK) {
    if constexpr (ALIGN >= 8) {
      load_words<2>(p, words);
    } else {
      load_words<1>(p, words);
      load_words<1>(p + 4, words + 1);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < CHUNK; ++i) {
    if (i < count) words[i / 4] |= static_cast<u32>(*reinterpret_cast<const unsigned char*>(p + i)) << i % 4 * 8;
  }
}

// Eight elements of a cache of CACHE, of which `count` exist, as AS: those of e4m3 times their scale, rounded once.
template <int CACHE, int AS, int ALIGN>
DEVICE Chunk<AS> load_cached(const char* p, int count, float scale) {
  if constexpr (CACHE == E4M3) {
    u32 words[2];
    load_patterns<ALIGN>(p, count, words);
    Chunk<AS> chunk;
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      unpack_e4m3(words[pair / 2] >> pair % 2 * 16, a, b);
      set_pair(chunk, pair, __fmul_rn(a, scale), __fmul_rn(b, scale));
    }
    return chunk;
  } else {
    static_assert(CACHE == AS, "elements without a scale stay as they are");
    return load_part<CACHE, ALIGN>(p, count);
  }
}
