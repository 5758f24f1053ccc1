// Blocks of a grid that all run at the same time and tell one another what they have computed, and copies of long runs of memory
// that one thread starts and nobody carries out; sm_90 and later. The stand-in device has the same functions in plain C++
// (native/test/emulator/grid.h).
//
// What is told is a word of 32 bits that is zero until it is told. It is stored and loaded whole, so that who finds it has the
// value too: nothing is fenced, and no word is waited for but by whoever needs it.

#ifdef QK_EMULATED
#include "grid.h"
#else

// ---- words of 32 bits that other blocks store meanwhile ----

// COUNT (2 or 4) neighbouring words, each whole, aligned as one.
template <int COUNT>
DEVICE void hear_words(const u32* place, u32 (&words)[COUNT]) {
  static_assert(COUNT == 2 || COUNT == 4, "of 8 or 16 bytes");
  if constexpr (COUNT == 4) {
    asm volatile("ld.relaxed.gpu.global.v4.b32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "l"(place) : "memory");
  } else {
    asm volatile("ld.relaxed.gpu.global.v2.b32 {%0,%1}, [%2];" : "=r"(words[0]), "=r"(words[1]) : "l"(place) : "memory");
  }
}

// COUNT (1, 2 or 4) neighbouring words, each whole, aligned as one.
template <int COUNT>
DEVICE void tell_words(u32* place, const u32 (&words)[COUNT]) {
  static_assert(COUNT == 1 || COUNT == 2 || COUNT == 4, "of 4, 8 or 16 bytes");
  if constexpr (COUNT == 4) {
    asm volatile("st.relaxed.gpu.global.v4.b32 [%0], {%1,%2,%3,%4};"
                 :: "l"(place), "r"(words[0]), "r"(words[1]), "r"(words[2]), "r"(words[3]) : "memory");
  } else if constexpr (COUNT == 2) {
    asm volatile("st.relaxed.gpu.global.v2.b32 [%0], {%1,%2};" :: "l"(place), "r"(words[0]), "r"(words[1]) : "memory");
  } else {
    asm volatile("st.relaxed.gpu.global.b32 [%0], %1;" :: "l"(place), "r"(words[0]) : "memory");
  }
}

// What is looked for is not there yet: on the stand-in device others run.
DEVICE void look_again() {}

// The cycles of the multiprocessor, modulo 2^32.
DEVICE u32 cycles_now() {
  u32 now;
  asm volatile("mov.u32 %0, %%clock;" : "=r"(now) :: "memory");
  return now;
}

// ---- the block ----

// Waits until `count` threads of the block, a multiple of 32, are at barrier `number`, 1 to 15.
template <int NUMBER>
DEVICE void meet_threads(u32 count) {
  asm volatile("bar.sync %0, %1;" :: "n"(NUMBER), "r"(count) : "memory");
}

// ---- registers ----

// From here on the 128 threads of four warps that all come here have COUNT registers each, a multiple of 8: fewer than at the
// launch, or more, which others give. sm_90a.
template <int COUNT>
DEVICE void give_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" :: "n"(COUNT)); }
template <int COUNT>
DEVICE void take_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" :: "n"(COUNT)); }

// ---- barriers in shared memory that count arrivals and bytes ----

DEVICE u32 barrier_address(const u64* barrier) { return static_cast<u32>(__cvta_generic_to_shared(barrier)); }

// A barrier whose phases end after `arrivals`, and after the bytes that were told meanwhile. One thread; then __syncthreads().
DEVICE void begin_barrier(u64* barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" :: "r"(barrier_address(barrier)), "r"(arrivals) : "memory");
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

DEVICE void arrive_at(u64* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" :: "r"(barrier_address(barrier)) : "memory");
}

// Arrives, and tells how many bytes are to come before the phase ends.
DEVICE void arrive_expecting(u64* barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" :: "r"(barrier_address(barrier)), "r"(bytes) : "memory");
}

// Waits for the end of the phase of that parity: 0 for the first, 1 for the second, 0 for the third.
DEVICE void wait_at(u64* barrier, u32 parity) {
  asm volatile(
      "{.reg .pred over;\n"
      "again:\n mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n @!over bra again;}"
      :: "r"(barrier_address(barrier)), "r"(parity) : "memory");
}

// Whether the phase of that parity is over.
DEVICE bool is_over(u64* barrier, u32 parity) {
  u32 over;
  asm volatile(
      "{.reg .pred over;\n"
      "mbarrier.test_wait.parity.shared::cta.b64 over, [%1], %2;\n selp.u32 %0, 1, 0, over;}"
      : "=r"(over) : "r"(barrier_address(barrier)), "r"(parity) : "memory");
  return over != 0;
}

// ---- memory ----

// Asks for `bytes` in the L2, which like their address are a multiple of 16, without waiting for them.
DEVICE void prefetch_bytes(const char* from, u32 bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" :: "l"(from), "r"(bytes) : "memory");
}

// Starts a copy of `bytes` to shared memory, all three multiples of 16, which `barrier` was told of. Of what is read once the L2
// keeps nothing that it has better use for.
DEVICE void start_copy(char* to, const char* from, u32 bytes, u64* barrier) {
  asm volatile(
      "{.reg .b64 once;\n"
      "createpolicy.fractional.L2::evict_first.b64 once, 1.0;\n"
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], once;}"
      :: "r"(static_cast<u32>(__cvta_generic_to_shared(to))), "l"(from), "r"(bytes), "r"(barrier_address(barrier))
      : "memory");
}

#endif  // QK_EMULATED
