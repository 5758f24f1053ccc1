// CUDA C++ for a C++ compiler, as far as the kernels of this repository use it: words of the language, indices, vector
// types, and the functions that NVRTC knows without a header. Products and sums are never contracted here
// (-ffp-contract=off): a kernel says __fmaf_rn where it means it. The approximate functions are those of the processor,
// which are closer to the truth than a device's.
#pragma once

#include "blocks.h"

#define QK_EMULATED 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __grid_constant__
#define __restrict__ __restrict
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
// Blocks run one after the other, all threads of one on one thread of the processor. Those that run at the same time have dynamic
// memory of their own, and none of this.
#define __shared__ thread_local

#define threadIdx (::emulator::now->thread)
#define blockIdx (::emulator::now->block->index)
#define blockDim (::emulator::launch->block)
#define gridDim (::emulator::launch->grid)
constexpr int warpSize = 32;

// ---- vector types ----

#define EMULATED_VECTORS(type, name, wide, wider)                                               \
  struct name##1 { type x; };                                                                   \
  struct alignas(wide) name##2 { type x, y; };                                                  \
  struct name##3 { type x, y, z; };                                                             \
  struct alignas(wider) name##4 { type x, y, z, w; };                                           \
  static inline name##2 make_##name##2(type x, type y) { return {x, y}; }                       \
  static inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }            \
  static inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
EMULATED_VECTORS(signed char, char, 2, 4)
EMULATED_VECTORS(unsigned char, uchar, 2, 4)
EMULATED_VECTORS(short, short, 4, 8)
EMULATED_VECTORS(unsigned short, ushort, 4, 8)
EMULATED_VECTORS(int, int, 8, 16)
EMULATED_VECTORS(unsigned, uint, 8, 16)
EMULATED_VECTORS(float, float, 8, 16)
EMULATED_VECTORS(long long, longlong, 16, 16)
EMULATED_VECTORS(unsigned long long, ulonglong, 16, 16)
EMULATED_VECTORS(double, double, 16, 16)
#undef EMULATED_VECTORS

// ---- numbers ----

template <class To, class From>
static inline To emulated_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "of one size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
static inline float __uint_as_float(unsigned bits) { return emulated_bits<float>(bits); }
static inline float __int_as_float(int bits) { return emulated_bits<float>(bits); }
static inline unsigned __float_as_uint(float value) { return emulated_bits<unsigned>(value); }
static inline int __float_as_int(float value) { return emulated_bits<int>(value); }
static inline double __longlong_as_double(long long bits) { return emulated_bits<double>(bits); }
static inline long long __double_as_longlong(double value) { return emulated_bits<long long>(value); }

static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __frcp_rn(float a) { return 1.0f / a; }
static inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
static inline float __frsqrt_rn(float a) { return static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(a))); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }

#define EMULATED_FUNCTIONS(X) X(sqrt) X(exp) X(exp2) X(expm1) X(log) X(log2) X(log1p) X(tanh) X(erf) X(erfc) X(sin) X(cos) \
  X(fabs) X(floor) X(ceil) X(rint) X(trunc) X(round)
#define EMULATED_FUNCTION(name)                                              \
  static inline float name##f(float x) { return __builtin_##name##f(x); }    \
  static inline double name(double x) { return __builtin_##name(x); }        \
  static inline float name(float x) { return __builtin_##name##f(x); }
EMULATED_FUNCTIONS(EMULATED_FUNCTION)
#undef EMULATED_FUNCTION
#define EMULATED_PAIRS(X) X(pow) X(fmin) X(fmax) X(copysign) X(fmod)
#define EMULATED_PAIR(name)                                                                  \
  static inline float name##f(float x, float y) { return __builtin_##name##f(x, y); }        \
  static inline double name(double x, double y) { return __builtin_##name(x, y); }
EMULATED_PAIRS(EMULATED_PAIR)
#undef EMULATED_PAIR
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
static inline float rsqrtf(float x) { return __frsqrt_rn(x); }
static inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
static inline float __expf(float x) { return __builtin_expf(x); }
static inline float __exp2f(float x) { return __builtin_exp2f(x); }
static inline float __logf(float x) { return __builtin_logf(x); }
static inline float __log2f(float x) { return __builtin_log2f(x); }
static inline float __powf(float x, float y) { return __builtin_powf(x, y); }
static inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
static inline bool isnan(double x) { return __builtin_isnan(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }

template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
static inline float min(float a, float b) { return __builtin_fminf(a, b); }
static inline float max(float a, float b) { return __builtin_fmaxf(a, b); }
template <class T> static inline T abs(T a) { return a < 0 ? -a : a; }

static inline int __float2int_rn(float x) { return static_cast<int>(__builtin_rintf(x)); }
static inline int __float2int_rd(float x) { return static_cast<int>(__builtin_floorf(x)); }
static inline int __float2int_rz(float x) { return static_cast<int>(x); }
static inline float __int2float_rn(int x) { return static_cast<float>(x); }
static inline float __uint2float_rn(unsigned x) { return static_cast<float>(x); }
static inline float __double2float_rn(double x) { return static_cast<float>(x); }

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned long long>(a) * b >> 32; }
static inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long both = static_cast<unsigned long long>(b) << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned chosen = selector >> 4 * i & 0xf, byte = both >> 8 * (chosen & 7) & 0xff;
    result |= (chosen & 8 ? byte & 0x80 ? 0xffu : 0u : byte) << 8 * i;
  }
  return result;
}
template <class T> static inline T __ldg(const T* p) { return *p; }
template <class T> static inline T __ldcg(const T* p) { return *p; }
template <class T> static inline T __ldcs(const T* p) { return *p; }
template <class T> static inline void __stcg(T* p, T value) { *p = value; }
template <class T> static inline void __stcs(T* p, T value) { *p = value; }

// ---- threads of a block, of a warp, and of others ----

static inline void __syncthreads(int line = __builtin_LINE()) { ::emulator::wait_at_barrier(0, 0, line); }
static inline void __threadfence() {}
static inline void __threadfence_system() {}
static inline void __threadfence_block() {}
static inline void __nanosleep(unsigned) {}
[[noreturn]] static inline void __trap() { ::emulator::fail("trap"); }

template <class T> static inline T emulated_swap(T* p, T value) { const T before = *p; *p = value; return before; }
template <class T> static inline T atomicAdd(T* p, T value) { return emulated_swap(p, static_cast<T>(*p + value)); }
template <class T> static inline T atomicExch(T* p, T value) { return emulated_swap(p, value); }
template <class T> static inline T atomicMax(T* p, T value) { return emulated_swap(p, *p < value ? value : *p); }
template <class T> static inline T atomicMin(T* p, T value) { return emulated_swap(p, value < *p ? value : *p); }
template <class T> static inline T atomicOr(T* p, T value) { return emulated_swap(p, static_cast<T>(*p | value)); }
template <class T> static inline T atomicAnd(T* p, T value) { return emulated_swap(p, static_cast<T>(*p & value)); }
template <class T> static inline T atomicCAS(T* p, T compare, T value) { return emulated_swap(p, *p == compare ? value : *p); }
template <class T> static inline T atomicInc(T* p, T most) { return emulated_swap(p, *p >= most ? T(0) : static_cast<T>(*p + 1)); }

#include "warp.h"
