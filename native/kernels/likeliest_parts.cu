// The largest of each part of a row of logits, as a key. A row is read by `parts` blocks, neighbouring threads taking
// neighbours.
//
// QK_DTYPE  0 f32, 1 bf16, 2 f16: the logits

struct Args {
  const char* logits;   // [B, V]
  u64* keys;            // [B, parts]
  i64 stride;           // bytes between rows
  u32 width, parts;     // V
};

constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(256) likeliest_parts(const __grid_constant__ Args args) {
  __shared__ u64 room[THREADS / 32];
  const u32 part = blockIdx.x % args.parts, row = blockIdx.x / args.parts;
  const char* logits = args.logits + row * args.stride;
  allow_successor();
  wait_for_predecessor();
  u64 best = 0;
  for (u32 id = part * THREADS + threadIdx.x; id < args.width; id += args.parts * THREADS) {
    best = Largest::of(best, key_of(element<QK_DTYPE>(logits, id), id));
  }
  best = over_block<Largest, THREADS>(best, room);
  if (threadIdx.x == 0) args.keys[blockIdx.x] = best;
}
