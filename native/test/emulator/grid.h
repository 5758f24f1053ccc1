// The functions of native/kernels/grid.cuh for the stand-in device. A bulk copy is made when somebody waits for it, not before.
#pragma once

namespace emulator {

/** What a barrier in shared memory holds. */
struct Barrier {
  unsigned arrivals : 16, awaited : 15, parity : 1;
  int bytes;
};
static_assert(sizeof(Barrier) == 8, "as large as on the device");

static Barrier& barrier_at(const unsigned long long* place) {
  return *reinterpret_cast<Barrier*>(const_cast<unsigned long long*>(place));
}

static void end_phase(Barrier& barrier) {
  if (barrier.awaited > 0 || barrier.bytes != 0) return;
  barrier.parity ^= 1;
  barrier.awaited = barrier.arrivals;
}

static void arrive(Barrier& barrier, int line) {
  if (barrier.awaited == 0) fail("thread %u arrives at line %d once more than was said", now->rank, line);
  idle = 0;
  --barrier.awaited;
  end_phase(barrier);
}

struct BulkCopy { char* to; const char* from; unsigned bytes; Barrier* barrier; };
static BulkCopy bulk_copies[MOST_FIBERS];
static unsigned bulk_count;
static unsigned long bulk_launch;

/** Makes the copies that a barrier waits for. */
static void make_bulk_copies(Barrier& barrier) {
  unsigned kept = 0;
  for (unsigned i = 0; i < bulk_count; ++i) {
    const BulkCopy copy = bulk_copies[i];
    if (copy.barrier != &barrier) { bulk_copies[kept++] = copy; continue; }
    __builtin_memcpy(copy.to, copy.from, copy.bytes);
    barrier.bytes -= static_cast<int>(copy.bytes);
  }
  if (kept == bulk_count) return;
  bulk_count = kept;
  end_phase(barrier);
}

}  // namespace emulator

template <int COUNT>
static inline void hear_words(const u32* place, u32 (&words)[COUNT]) {
  expect_aligned<4 * COUNT>(place);
  for (int i = 0; i < COUNT; ++i) words[i] = place[i];
}
template <int COUNT>
static inline void tell_words(u32* place, const u32 (&words)[COUNT]) {
  expect_aligned<4 * COUNT>(place);
  for (int i = 0; i < COUNT; ++i) place[i] = words[i];
}
static inline void look_again(int line = __builtin_LINE()) { emulator::look_again(line); }

template <int NUMBER>
static inline void meet_threads(u32 count, int line = __builtin_LINE()) { emulator::wait_at_barrier(NUMBER, count, line); }

template <int COUNT>
static inline void give_registers() {}
template <int COUNT>
static inline void take_registers() {}

static inline void begin_barrier(u64* barrier, u32 arrivals) {
  emulator::Barrier& made = emulator::barrier_at(barrier);
  made = emulator::Barrier{};
  made.arrivals = made.awaited = arrivals;
}
static inline void arrive_at(u64* barrier, int line = __builtin_LINE()) { emulator::arrive(emulator::barrier_at(barrier), line); }
static inline void arrive_expecting(u64* barrier, u32 bytes, int line = __builtin_LINE()) {
  emulator::barrier_at(barrier).bytes += static_cast<int>(bytes);
  emulator::arrive(emulator::barrier_at(barrier), line);
}
static inline void wait_at(u64* barrier, u32 parity, int line = __builtin_LINE()) {
  emulator::Barrier& waited = emulator::barrier_at(barrier);
  emulator::make_bulk_copies(waited);
  while (waited.parity == parity) emulator::look_again(line), emulator::make_bulk_copies(waited);
}
static inline bool is_over(u64* barrier, u32 parity) {
  emulator::Barrier& asked = emulator::barrier_at(barrier);
  emulator::make_bulk_copies(asked);
  return asked.parity != parity;
}
static inline void prefetch_bytes(const char* from, u32 bytes) {
  expect_aligned<16>(from);
  if (bytes % 16 != 0) emulator::fail("%u bytes are asked for", bytes);
  // What is asked for is there: AddressSanitizer looks at both ends.
  static_cast<void>(*static_cast<const volatile char*>(from) + *static_cast<const volatile char*>(from + bytes - 1));
}
static inline u32 cycles_now() {
  static u32 now;
  return now += 1000;
}
static inline void start_copy(char* to, const char* from, u32 bytes, u64* barrier) {
  expect_aligned<16>(to), expect_aligned<16>(from);
  if (bytes % 16 != 0) emulator::fail("a copy of %u bytes", bytes);
  if (emulator::bulk_launch != emulator::blocks_begun) emulator::bulk_count = 0, emulator::bulk_launch = emulator::blocks_begun;
  emulator::bulk_copies[emulator::bulk_count++] = {to, from, bytes, &emulator::barrier_at(barrier)};
}
