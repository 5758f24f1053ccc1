// All that is PTX: functions of an instruction or two, so that no kernel spells any. The stand-in device of the tests has
// the same functions in plain C++ (native/test/emulator/ptx.h), and runs the kernels' own text with them.
//
// Loads and stores are volatile, hence never moved across griddepcontrol.wait, which is volatile too.

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i64 = long long;

#define DEVICE static __device__ __forceinline__

#ifdef QK_EMULATED
#include "ptx.h"
#else

// ---- global memory ----

// WORDS: 1, 2 or 4 neighbouring words, aligned as one.
template <int WORDS>
DEVICE void load_words(const char* from, u32* to) {
  if constexpr (WORDS == 4) {
    asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "l"(from));
  } else if constexpr (WORDS == 2) {
    asm volatile("ld.global.v2.u32 {%0,%1}, [%2];" : "=r"(to[0]), "=r"(to[1]) : "l"(from));
  } else {
    asm volatile("ld.global.u32 %0, [%1];" : "=r"(to[0]) : "l"(from));
  }
}

template <int WORDS>
DEVICE void store_words(char* to, const u32* from) {
  if constexpr (WORDS == 4) {
    asm volatile("st.global.v4.u32 [%0], {%1,%2,%3,%4};"
                 :: "l"(to), "r"(from[0]), "r"(from[1]), "r"(from[2]), "r"(from[3]) : "memory");
  } else if constexpr (WORDS == 2) {
    asm volatile("st.global.v2.u32 [%0], {%1,%2};" :: "l"(to), "r"(from[0]), "r"(from[1]) : "memory");
  } else {
    asm volatile("st.global.u32 [%0], %1;" :: "l"(to), "r"(from[0]) : "memory");
  }
}

DEVICE u16 load_half_word(const char* from) {
  u16 half;
  asm volatile("ld.global.u16 %0, [%1];" : "=h"(half) : "l"(from));
  return half;
}

DEVICE void store_half_word(char* to, u16 half) {
  asm volatile("st.global.u16 [%0], %1;" :: "l"(to), "h"(half) : "memory");
}

// Asks for the line of an address, without waiting for it.
DEVICE void prefetch_line(const char* address) { asm volatile("prefetch.global.L2 [%0];" ::"l"(address)); }

// Makes the compiler compute a value here rather than where it is used: after the wait, or behind the trigger.
DEVICE void pin(const char*& address) { asm volatile("" : "+l"(address)); }
DEVICE void pin(u32& number) { asm volatile("" : "+r"(number)); }

// ---- formats ----

// The two f16 of a word, exactly.
DEVICE void unpack_f16(u32 word, float& low, float& high) {
  asm("{.reg .b16 l, h;\n mov.b32 {l, h}, %2;\n cvt.f32.f16 %0, l;\n cvt.f32.f16 %1, h;}"
      : "=f"(low), "=f"(high) : "r"(word));
}

// Two values, rounded to nearest even, in one word.
DEVICE u32 pack_f16(float low, float high) {
  u32 word;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
#else
  asm("{.reg .b16 l, h;\n cvt.rn.f16.f32 l, %1;\n cvt.rn.f16.f32 h, %2;\n mov.b32 %0, {l, h};}"
      : "=r"(word) : "f"(low), "f"(high));
#endif
  return word;
}

// bf16 by integer arithmetic, for chips without the instruction (sm_75): to nearest, ties to even, NaN stays NaN.
DEVICE u32 bf16_bits(float value) {
  const u32 bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

DEVICE u32 pack_bf16(float low, float high) {
#if __CUDA_ARCH__ >= 800
  u32 word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
#else
  return bf16_bits(low) | bf16_bits(high) << 16;
#endif
}

// e4m3 of the OCP by integer arithmetic, for chips without the instruction: to nearest, ties to even, what is larger than
// 448 becomes 448, NaN stays NaN.
DEVICE u32 e4m3_bits(float value) {
  const u32 bits = __float_as_uint(value), sign = bits >> 24 & 0x80u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7f;
  if (magnitude >= 0x43e00000u) return sign | 0x7e;  // 448
  // Below 2^-6 all steps are 2^-9, the last bit of what is added.
  if (magnitude < 0x3c800000u) return sign | (__float_as_uint(__uint_as_float(magnitude) + 16384.0f) & 0xfu);
  return sign | (((magnitude + 0x7ffffu + (magnitude >> 20 & 1u)) >> 20) - (120u << 3));
}

// Two values in the lower half of a word.
DEVICE u32 pack_e4m3(float low, float high) {
#if __CUDA_ARCH__ >= 890
  u16 both;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(both) : "f"(high), "f"(low));
  return both;
#else
  return e4m3_bits(low) | e4m3_bits(high) << 8;
#endif
}

// 1 / sqrt(value) by one instruction: a relative error of 2^-22.9; subnormal values count as 0.
DEVICE float approximate_inverse_root(float value) {
  float root;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(value));
  return root;
}

// 2^value by one instruction: a relative error of 2^-22; results below 2^-126 are 0.
DEVICE float approximate_exp2(float value) {
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(value));
  return power;
}

// ---- shared memory ----

// The memory that the launch asks for: 16-byte aligned, of unknown contents.
DEVICE char* dynamic_shared() {
  extern __shared__ __align__(16) char dynamic_shared_bytes[];
  return dynamic_shared_bytes;
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

#endif  // QK_EMULATED
