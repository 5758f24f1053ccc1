// Tokens as keys that order them: of two logits the larger has the larger key, and of equal ones the lower id.

// Orders all floats as integers, NaN above +Infinity: the sign bit turned, and of negative numbers all others too.
DEVICE u32 ordered(float x) {
  if (x != x) return 0xffffffffu;
  const u32 bits = __float_as_uint(__fadd_rn(x, 0.0f));  // -0 counts as 0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

DEVICE float unordered(u32 order) { return __uint_as_float(order >> 31 ? order & 0x7fffffffu : ~order); }

DEVICE u64 key_of(float value, u32 id) { return static_cast<u64>(ordered(value)) << 32 | (0xffffffffu - id); }

DEVICE u32 token_of(u64 key) { return 0xffffffffu - static_cast<u32>(key); }

constexpr u32 INFINITE = 0xff800000u, MINUS_INFINITE = 0x007fffffu;  // as `ordered` has them

DEVICE bool is_finite(u64 key) {
  const u32 order = static_cast<u32>(key >> 32);
  return order < INFINITE && order > MINUS_INFINITE;
}

struct Largest {
  DEVICE u64 of(u64 a, u64 b) { return b > a ? b : a; }
};
struct Sum {
  DEVICE u64 of(u64 a, u64 b) { return a + b; }
};

// Of all threads of a block, the same in each, which all come here. `room` is in shared memory, and free again afterwards.
template <class Joined, int THREADS>
DEVICE u64 over_block(u64 value, u64 (&room)[THREADS / 32]) {
#pragma unroll
  for (int half = 16; half > 0; half /= 2) value = Joined::of(value, __shfl_xor_sync(0xffffffffu, value, half));
  if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = value;
  __syncthreads();
  value = room[0];
  for (int warp = 1; warp < THREADS / 32; ++warp) value = Joined::of(value, room[warp]);
  __syncthreads();
  return value;
}

// What a text goes on with: the token is fed back, written down where it stands, and the position goes up. One thread.
DEVICE void go_on(u32 token, bool finite, int* id, int* position, int* log, u32 places) {
  const int last = static_cast<int>(places) - 1;
  const int at = *position < 0 ? 0 : *position > last ? last : *position;
  *id = finite ? static_cast<int>(token) : 0;  // whatever comes next, it stays within the embedding
  log[at] = finite ? static_cast<int>(token) : -1;
  *position = at < last ? at + 1 : last;
}
