// What the lanes of a warp tell each other. A lane that a mask names and that does not come is a deadlock, and so is one that
// comes to another line: on a device both are undefined.
#pragma once

namespace emulator {

template <class T>
struct Shuffle { T value; int from; };

template <class T>
static void join_shuffle(void* (&lanes)[32]) {
  T result[32];
  for (int i = 0; i < 32; ++i) {
    if (lanes[i] == nullptr) continue;
    const int from = static_cast<Shuffle<T>*>(lanes[i])->from;
    if (lanes[from] != nullptr) result[i] = static_cast<Shuffle<T>*>(lanes[from])->value;
    else memset(&result[i], 0xff, sizeof(T));  // of a lane that is not there: undefined
  }
  for (int i = 0; i < 32; ++i) if (lanes[i] != nullptr) static_cast<Shuffle<T>*>(lanes[i])->value = result[i];
}

template <class T>
static T shuffle(unsigned mask, T value, int from, int line) {
  Shuffle<T> mine = {value, from};
  meet(join_shuffle<T>, mask, line, &mine);
  return mine.value;
}

struct Vote { int predicate; unsigned ballot; };

static void join_vote(void* (&lanes)[32]) {
  unsigned ballot = 0;
  for (int i = 0; i < 32; ++i) if (lanes[i] && static_cast<Vote*>(lanes[i])->predicate) ballot |= 1u << i;
  for (void* lane : lanes) if (lane) static_cast<Vote*>(lane)->ballot = ballot;
}

static unsigned vote(unsigned mask, int predicate, int line) {
  Vote mine = {predicate, 0};
  meet(join_vote, mask, line, &mine);
  return mine.ballot;
}

template <class T>
struct Reduced { T value; };

template <class T, T (*Combine)(T, T)>
static void join_reduction(void* (&lanes)[32]) {
  bool first = true;
  T result{};
  for (void* lane : lanes) {
    if (!lane) continue;
    const T value = static_cast<Reduced<T>*>(lane)->value;
    result = first ? value : Combine(result, value);
    first = false;
  }
  for (void* lane : lanes) if (lane) static_cast<Reduced<T>*>(lane)->value = result;
}

template <class T> static T added(T a, T b) { return a + b; }
template <class T> static T larger(T a, T b) { return a < b ? b : a; }
template <class T> static T smaller(T a, T b) { return b < a ? b : a; }

template <class T, T (*Combine)(T, T)>
static T reduce(unsigned mask, T value, int line) {
  Reduced<T> mine = {value};
  meet(join_reduction<T, Combine>, mask, line, &mine);
  return mine.value;
}

static inline int lane_id() { return static_cast<int>(now->rank % 32); }
static void join_nothing(void* (&)[32]) {}

}  // namespace emulator

template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulator::lane_id(), from = lane ^ lanes;
  return emulator::shuffle(mask, value, from < (lane / width + 1) * width ? from : lane, line);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned step, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulator::lane_id(), from = lane + static_cast<int>(step);
  return emulator::shuffle(mask, value, from < (lane / width + 1) * width ? from : lane, line);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned step, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulator::lane_id(), from = lane - static_cast<int>(step);
  return emulator::shuffle(mask, value, from >= lane / width * width ? from : lane, line);
}
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int from, int width = 32, int line = __builtin_LINE()) {
  const int lane = emulator::lane_id();
  return emulator::shuffle(mask, value, lane / width * width + (from & (width - 1)), line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return emulator::vote(mask, predicate, line);
}
static inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return emulator::vote(mask, predicate, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
  return emulator::vote(mask, !predicate, line) == 0;
}
template <class T>
static inline T __reduce_add_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  return emulator::reduce<T, emulator::added<T>>(mask, value, line);
}
template <class T>
static inline T __reduce_max_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  return emulator::reduce<T, emulator::larger<T>>(mask, value, line);
}
template <class T>
static inline T __reduce_min_sync(unsigned mask, T value, int line = __builtin_LINE()) {
  return emulator::reduce<T, emulator::smaller<T>>(mask, value, line);
}
static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE()) {
  emulator::meet(emulator::join_nothing, mask, line, nullptr);
}
