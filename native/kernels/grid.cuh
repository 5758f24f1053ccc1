// Blocks of a grid that all run at the same time and tell one another what they have computed, and copies of long runs of memory
// that one thread starts and nobody carries out; sm_90 and later. The stand-in device has the same functions in plain C++
// (native/test/emulator/grid.h).
//
// What is told is a word of 64 bits: 32 of a value, and above them the number of the launch. It is stored and loaded whole, so
// that who finds the number has the value too: nothing is fenced, and no word is waited for but by whoever needs it.

#ifdef QK_EMULATED
#include "grid.h"
#else

// ---- words of 64 bits that other blocks store meanwhile ----

// Two neighbouring words, each whole, 16-byte aligned.
DEVICE void hear_two(const u64* place, u64 (&words)[2]) {
  asm volatile("ld.relaxed.gpu.global.v2.b64 {%0,%1}, [%2];" : "=l"(words[0]), "=l"(words[1]) : "l"(place) : "memory");
}

DEVICE void tell_word(u64* place, u64 word) {
  asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" :: "l"(place), "l"(word) : "memory");
}

// What is looked for is not there yet: on the stand-in device others run.
DEVICE void look_again() {}

// ---- the block ----

// Waits until `count` threads of the block, a multiple of 32, are at barrier `number`, 1 to 15.
template <int NUMBER>
DEVICE void meet_threads(u32 count) {
  asm volatile("bar.sync %0, %1;" :: "n"(NUMBER), "r"(count) : "memory");
}

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
