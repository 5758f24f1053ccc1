// The token of each row from the keys of its parts, and the step after it: the token is fed back, written down where it
// stands, and the position goes up. A block takes a row.

struct Args {
  const u64* keys;      // [B, parts], of likeliest_parts
  int* ids;             // [B]
  int* positions;       // [B]
  int* log;             // [B, places]
  u32 parts, places;
};

// Keys above and below those of finite logits.
constexpr u32 INFINITE = 0xff800000u, MINUS_INFINITE = 0x007fffffu;

extern "C" __global__ void __launch_bounds__(128) likeliest_join(const __grid_constant__ Args args) {
  __shared__ u64 keys[128];
  const u32 row = blockIdx.x;
  allow_successor();
  wait_for_predecessor();
  u64 best = 0;
  for (u32 part = threadIdx.x; part < args.parts; part += 128) {
    const u64 key = args.keys[row * args.parts + part];
    best = key > best ? key : best;
  }
  keys[threadIdx.x] = best;
  __syncthreads();
  for (u32 half = 64; half > 0; half /= 2) {
    if (threadIdx.x < half && keys[threadIdx.x + half] > keys[threadIdx.x]) keys[threadIdx.x] = keys[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x != 0) return;
  const u32 order = static_cast<u32>(keys[0] >> 32);
  const bool finite = order < INFINITE && order > MINUS_INFINITE;
  const int id = static_cast<int>(0xffffffffu - static_cast<u32>(keys[0]));
  const int position = args.positions[row], last = static_cast<int>(args.places) - 1;
  const int place = position < 0 ? 0 : position > last ? last : position;
  args.ids[row] = finite ? id : 0;  // whatever comes next, it stays within the embedding
  args.log[static_cast<u64>(row) * args.places + place] = finite ? id : -1;
  args.positions[row] = place < last ? place + 1 : last;
}
