// What every kernel of this folder starts with: element formats, wide loads and stores, warp sums, PDL.
//
// The loader puts this text in front of a kernel's own before it compiles, so that no kernel needs an #include:
// NVRTC ships no headers. For the same reason bf16 and f16 are moved as plain words and converted by hand.

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

#define DEVICE static __device__ __forceinline__

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
// The inline PTX is volatile, hence never moved across griddepcontrol.wait, which is volatile too.

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
    if constexpr (ALIGN >= 16) {
      asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "l"(from));
    } else if constexpr (ALIGN >= 8) {
      asm volatile("ld.global.v2.u32 {%0,%1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "l"(from));
    } else if constexpr (ALIGN >= 4) {
      asm volatile("ld.global.u32 %0, [%1];" : "=r"(to[0]) : "l"(from));
    } else {
      u16 low, high;
      asm volatile("ld.global.u16 %0, [%1];" : "=h"(low) : "l"(from));
      asm volatile("ld.global.u16 %0, [%1];" : "=h"(high) : "l"(from + 2));
      to[0] = low | static_cast<u32>(high) << 16;
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
    if constexpr (ALIGN >= 16) {
      asm volatile("st.global.v4.u32 [%0], {%1,%2,%3,%4};"
                   :: "l"(to), "r"(from[0]), "r"(from[1]), "r"(from[2]), "r"(from[3]) : "memory");
    } else if constexpr (ALIGN >= 8) {
      asm volatile("st.global.v2.u32 [%0], {%1,%2};" :: "l"(to), "r"(from[0]), "r"(from[1]) : "memory");
    } else if constexpr (ALIGN >= 4) {
      asm volatile("st.global.u32 [%0], %1;" :: "l"(to), "r"(from[0]) : "memory");
    } else {
      asm volatile("st.global.u16 [%0], %1;" :: "l"(to), "h"(static_cast<u16>(from[0])) : "memory");
      asm volatile("st.global.u16 [%0], %1;" :: "l"(to + 2), "h"(static_cast<u16>(from[0] >> 16)) : "memory");
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
    asm("{.reg .b16 l, h;\n mov.b32 {l, h}, %2;\n cvt.f32.f16 %0, l;\n cvt.f32.f16 %1, h;}"
        : "=f"(low), "=f"(high) : "r"(word));
  }
}

// bf16 by integer arithmetic, for chips without the instruction (sm_75): to nearest, ties to even, NaN stays NaN.
DEVICE u32 bf16_bits(float value) {
  const u32 bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

// Two values, rounded to nearest even, in one word.
template <int DTYPE>
DEVICE u32 pack(float low, float high) {
  u32 word;
#if __CUDA_ARCH__ >= 800
  if constexpr (DTYPE == BF16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  }
#else
  if constexpr (DTYPE == BF16) {
    word = bf16_bits(low) | bf16_bits(high) << 16;
  } else {
    asm("{.reg .b16 l, h;\n cvt.rn.f16.f32 l, %1;\n cvt.rn.f16.f32 h, %2;\n mov.b32 %0, {l, h};}"
        : "=r"(word) : "f"(low), "f"(high));
  }
#endif
  return word;
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
  float root;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(value));
  return root;
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

// ---- programmatic dependent launch ----
// Decided by the architecture that is compiled for; the host sets the launch attribute by the same number.

// Blocks until every kernel before this one in the stream is complete and its writes are visible.
DEVICE void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// Lets the next kernel of the stream start; its own wait still holds it until this one is complete.
DEVICE void allow_successor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
