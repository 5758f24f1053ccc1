// The largest of each part of a row of logits. A row is read by `parts` blocks, neighbouring threads taking neighbours; each
// block leaves one key, in which a larger logit is larger, and of equal ones a lower id.
//
// QK_DTYPE  0 f32, 1 bf16, 2 f16: the logits

struct Args {
  const char* logits;   // [B, V]
  u64* keys;            // [B, parts]
  i64 stride;           // bytes between rows
  u32 width, parts;     // V
};

// Orders all floats as integers, NaN above +Infinity: the sign bit turned, and of negative numbers all others too.
DEVICE u32 ordered(float x) {
  if (x != x) return 0xffffffffu;
  const u32 bits = __float_as_uint(x + 0.0f);  // -0 counts as 0
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

extern "C" __global__ void __launch_bounds__(256) likeliest_parts(const __grid_constant__ Args args) {
  __shared__ u64 keys[256];
  const u32 part = blockIdx.x % args.parts, row = blockIdx.x / args.parts;
  const char* logits = args.logits + row * args.stride;
  allow_successor();
  wait_for_predecessor();
  u64 best = 0;
  for (u32 id = part * 256 + threadIdx.x; id < args.width; id += args.parts * 256) {
    const u64 key = static_cast<u64>(ordered(element<QK_DTYPE>(logits, id))) << 32 | (0xffffffffu - id);
    best = key > best ? key : best;
  }
  keys[threadIdx.x] = best;
  __syncthreads();
  for (u32 half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half && keys[threadIdx.x + half] > keys[threadIdx.x]) keys[threadIdx.x] = keys[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) args.keys[blockIdx.x] = keys[0];
}
