// What every kernel of this folder starts with, behind ptx.cuh: element formats, wide loads and stores.
//
// The loader puts these texts in front of a kernel's own before it compiles, so that no kernel needs an #include:
// NVRTC ships no headers. For the same reason bf16 and f16 are moved as plain words and converted by hand.

// The numbers of the binding's protocol (native/cpu/dtype.h).
constexpr int F32 = 0, BF16 = 1, F16 = 2;

DEVICE constexpr int bytes_of(int dtype) { return dtype == F32 ? 4 : 2; }

// A row is cut into chunks of 8 neighbouring elements: 16 bytes of a 16-bit format, 32 bytes of f32.
constexpr int CHUNK = 8;

template <int DTYPE>
struct Chunk {
  static constexpr int WORDS = CHUNK * bytes_of(DTYPE) / 4;
  u32 word[WORDS];
};

// ---- global memory ----

// ALIGN: the alignment in bytes that the caller vouches for, which is the widest access used.
template <int DTYPE, int ALIGN>
DEVICE Chunk<DTYPE> load_chunk(const char* p) {
  static_assert(ALIGN >= bytes_of(DTYPE), "elements are never split");
  Chunk<DTYPE> c;
  constexpr int step = ALIGN >= 16 ? 4 : ALIGN >= 8 ? 2 : 1;
#pragma unroll
  for (int i = 0; i < Chunk<DTYPE>::WORDS; i += step) {
    const char* from = p + 4 * i;
    u32* to = c.word + i;
    if constexpr (ALIGN >= 4) {
      load_words<step>(from, to);
    } else {
      to[0] = load_half_word(from);
      to[0] |= static_cast<u32>(load_half_word(from + 2)) << 16;
    }
  }
  return c;
}

template <int DTYPE, int ALIGN>
DEVICE void store_chunk(char* p, const Chunk<DTYPE>& c) {
  constexpr int step = ALIGN >= 16 ? 4 : ALIGN >= 8 ? 2 : 1;
#pragma unroll
  for (int i = 0; i < Chunk<DTYPE>::WORDS; i += step) {
    char* to = p + 4 * i;
    const u32* from = c.word + i;
    if constexpr (ALIGN >= 4) {
      store_words<step>(to, from);
    } else {
      store_half_word(to, static_cast<u16>(from[0]));
      store_half_word(to + 2, static_cast<u16>(from[0] >> 16));
    }
  }
}

// A chunk of which `count` elements exist; zeros stand for the others.
template <int DTYPE, int ALIGN>
DEVICE Chunk<DTYPE> load_part(const char* p, int count) {
  if (count == CHUNK) return load_chunk<DTYPE, ALIGN>(p);
  Chunk<DTYPE> c;
  for (u32& word : c.word) word = 0;
#pragma unroll
  for (int i = 0; i < CHUNK; ++i) {
    if (i >= count) continue;
    if constexpr (DTYPE == F32) {
      c.word[i] = *reinterpret_cast<const u32*>(p + 4 * i);
    } else {
      c.word[i / 2] |= static_cast<u32>(*reinterpret_cast<const u16*>(p + 2 * i)) << i % 2 * 16;
    }
  }
  return c;
}

// Stores the first `count` elements of a chunk.
template <int DTYPE, int ALIGN>
DEVICE void store_part(char* p, const Chunk<DTYPE>& c, int count) {
  if (count == CHUNK) {
    store_chunk<DTYPE, ALIGN>(p, c);
    return;
  }
#pragma unroll
  for (int i = 0; i < CHUNK; ++i) {
    if (i >= count) continue;
    if constexpr (DTYPE == F32) {
      *reinterpret_cast<u32*>(p + 4 * i) = c.word[i];
    } else {
      *reinterpret_cast<u16*>(p + 2 * i) = static_cast<u16>(c.word[i / 2] >> i % 2 * 16);
    }
  }
}

// ---- formats ----

// The two elements of one word of a 16-bit format; both conversions are exact.
template <int DTYPE>
DEVICE void unpack(u32 word, float& low, float& high) {
  if constexpr (DTYPE == BF16) {
    low = __uint_as_float(word << 16);
    high = __uint_as_float(word & 0xffff0000u);
  } else {
    unpack_f16(word, low, high);
  }
}

// Two values, rounded to nearest even, in one word.
template <int DTYPE>
DEVICE u32 pack(float low, float high) {
  if constexpr (DTYPE == BF16) return pack_bf16(low, high);
  else return pack_f16(low, high);
}

// Elements 2 * pair and 2 * pair + 1 of a chunk.
template <int DTYPE>
DEVICE void get_pair(const Chunk<DTYPE>& c, int pair, float& a, float& b) {
  if constexpr (DTYPE == F32) {
    a = __uint_as_float(c.word[2 * pair]);
    b = __uint_as_float(c.word[2 * pair + 1]);
  } else {
    unpack<DTYPE>(c.word[pair], a, b);
  }
}

template <int DTYPE>
DEVICE void set_pair(Chunk<DTYPE>& c, int pair, float a, float b) {
  if constexpr (DTYPE == F32) {
    c.word[2 * pair] = __float_as_uint(a);
    c.word[2 * pair + 1] = __float_as_uint(b);
  } else {
    c.word[pair] = pack<DTYPE>(a, b);
  }
}

// Both values as the format holds them.
template <int DTYPE>
DEVICE void round_pair(float& a, float& b) {
  if constexpr (DTYPE != F32) unpack<DTYPE>(pack<DTYPE>(a, b), a, b);
}

// 1 / sqrt(value). One approximate instruction (relative error 2^-22.9, subnormal values count as 0) is far below
// the rounding of a 16-bit format; f32 gets the correctly rounded one.
template <int DTYPE>
DEVICE float inverse_root(float value) {
  if constexpr (DTYPE == F32) return __frsqrt_rn(value);
  else return approximate_inverse_root(value);
}

// The kinds of norms.
constexpr int RMS = 0, LAYER = 1, L2 = 2, UNIT = 3;

// What a row is multiplied by: 1 / sqrt(sum * inverse_length + eps), or 1 / max(sqrt(sum), eps).
template <int DTYPE, int KIND>
DEVICE float scale_of(float sum, float inverse_length, float eps) {
  if constexpr (KIND == UNIT) {
    const float scale = inverse_root<DTYPE>(sum), most = __frcp_rn(eps);
    return scale > most ? most : scale;  // NaN stays
  } else {
    return inverse_root<DTYPE>(__fmaf_rn(sum, KIND == L2 ? 1.0f : inverse_length, eps));
  }
}
