// Blocks of a grid that all run at the same time and wait for one another, and copies of long runs of memory that one thread
// starts and nobody carries out; sm_90 and later. The stand-in device has the same functions in plain C++
// (native/test/emulator/grid.h), for grids of one block.

#ifdef QK_EMULATED
#include "grid.h"
#else

// ---- the grid ----

// Counts the block in: what its threads wrote before they met (meet_threads), all who see the count see as well.
DEVICE void arrive_in_grid(u32* arrivals) {
  asm volatile("red.release.gpu.global.add.u32 [%0], 1;" :: "l"(arrivals) : "memory");
}

// How many blocks were counted in.
DEVICE u32 arrived_in_grid(const u32* arrivals) {
  u32 count;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(count) : "l"(arrivals) : "memory");
  return count;
}

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

// Starts a copy of `bytes` to shared memory, all three multiples of 16, which `barrier` was told of.
DEVICE void start_copy(char* to, const char* from, u32 bytes, u64* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
               :: "r"(static_cast<u32>(__cvta_generic_to_shared(to))), "l"(from), "r"(bytes), "r"(barrier_address(barrier))
               : "memory");
}

#endif  // QK_EMULATED
