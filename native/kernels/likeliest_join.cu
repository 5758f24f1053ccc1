// The token of each row from the keys of its parts, and the step after it. A block takes a row.

struct Args {
  const u64* keys;      // [B, parts], of likeliest_parts
  int* ids;             // [B]
  int* positions;       // [B]
  int* log;             // [B, places]
  u32 parts, places;
};

constexpr int THREADS = 128;

extern "C" __global__ void __launch_bounds__(128) likeliest_join(const __grid_constant__ Args args) {
  __shared__ u64 room[THREADS / 32];
  const u32 row = blockIdx.x;
  allow_successor();
  wait_for_predecessor();
  u64 best = 0;
  for (u32 part = threadIdx.x; part < args.parts; part += THREADS) {
    best = Largest::of(best, args.keys[row * args.parts + part]);
  }
  best = over_block<Largest, THREADS>(best, room);
  if (threadIdx.x != 0) return;
  int* const log = args.log + static_cast<u64>(row) * args.places;
  go_on(token_of(best), is_finite(best), args.ids + row, args.positions + row, log, args.places);
}
