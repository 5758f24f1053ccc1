// RMS norm of one tensor, the plain way: one block per row, whatever the row's length. It serves the two-norm
// fallback, and norms over all heads of a token (axis "row"), whose rows are too long for registers.
//   y = x / sqrt(mean(x^2) + eps) * (offset + weight)
// Zhang and Sennrich (2019), equation 4.
//
// The sum is added per thread, then by warp, then over warps: its order depends on the row's length and on the block,
// which the host derives from the length alone, so a row has the same bits in any batch.
//
// QK_DTYPE           0 f32, 1 bf16, 2 f16: x and y
// QK_WEIGHT          0: no weight, a factor of 1; 1: weights
// QK_WEIGHT_DTYPE    numbered like QK_DTYPE
// QK_OFFSET          0, or 1: the factor is 1 + weight
// QK_HF              0: one rounding at the end; 1: the normalised row is rounded before the weight
// QK_ALIGN           bytes that the addresses and strides of x and y are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_WEIGHT_ALIGN    the same for weight

// [tokens, heads, 8 * chunks] with strides in bytes; y may be x. Block token * heads + head normalises one row.
struct Args {
  const char* x;
  char* y;
  const char* weight;
  i64 x_token_stride, x_head_stride;
  i64 y_token_stride, y_head_stride;
  i64 weight_head_stride;   // 0 for one weight row
  float eps;
  float inverse_length;     // 1 / (8 * chunks)
  u32 chunks, heads;
};

// The sum over the block, the same in every thread. At most 32 warps.
DEVICE float block_sum(float sum) {
  __shared__ float of_warp[32];
  const u32 lane = threadIdx.x % 32, warps = blockDim.x / 32;
  for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  if (warps == 1) return sum;
  if (lane == 0) of_warp[threadIdx.x / 32] = sum;
  __syncthreads();
  sum = lane < warps ? of_warp[lane] : 0;
  for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  return sum;
}

DEVICE float times_gain(float value, float weight) {
  return QK_OFFSET ? __fmaf_rn(value, weight, value) : __fmul_rn(value, weight);
}

extern "C" __global__ void __launch_bounds__(1024) rms_norm(const __grid_constant__ Args args) {
  constexpr int X_BYTES = CHUNK * bytes_of(QK_DTYPE), WEIGHT_BYTES = CHUNK * bytes_of(QK_WEIGHT_DTYPE);
  const i64 token = blockIdx.x / args.heads;
  const u32 head = blockIdx.x % args.heads;
  const char* x = args.x + token * args.x_token_stride + head * args.x_head_stride;
  char* y = args.y + token * args.y_token_stride + head * args.y_head_stride;
  const char* weight = args.weight + head * args.weight_head_stride;
  allow_successor();
  wait_for_predecessor();

  float sum = 0;
  for (u32 c = threadIdx.x; c < args.chunks; c += blockDim.x) {
    const Chunk<QK_DTYPE> chunk = load_chunk<QK_DTYPE, QK_ALIGN>(x + static_cast<i64>(c) * X_BYTES);
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(chunk, pair, a, b);
      sum = __fmaf_rn(b, b, __fmaf_rn(a, a, sum));
    }
  }
  const float scale = inverse_root<QK_DTYPE>(__fmaf_rn(block_sum(sum), args.inverse_length, args.eps));

  // The second reading comes from the caches: a row of the longest kind is 64 KiB.
  for (u32 c = threadIdx.x; c < args.chunks; c += blockDim.x) {
    Chunk<QK_DTYPE> chunk = load_chunk<QK_DTYPE, QK_ALIGN>(x + static_cast<i64>(c) * X_BYTES);
    Chunk<QK_WEIGHT_DTYPE> gain;
    if constexpr (QK_WEIGHT) {
      gain = load_chunk<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(weight + static_cast<i64>(c) * WEIGHT_BYTES);
    }
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b, wa, wb;
      get_pair(chunk, pair, a, b);
      a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
      if constexpr (QK_HF) round_pair<QK_DTYPE>(a, b);
      if constexpr (QK_WEIGHT) {
        get_pair(gain, pair, wa, wb);
        a = times_gain(a, wa), b = times_gain(b, wb);
      }
      set_pair(chunk, pair, a, b);
    }
    store_chunk<QK_DTYPE, QK_ALIGN>(y + static_cast<i64>(c) * X_BYTES, chunk);
  }
}
