// The norm of one tensor, the plain way: one block per row, whatever the row's length. It serves the two-norm fallback,
// and norms over all heads of a token (axis "row"), whose rows are too long for registers.
//   rms:    n = x / sqrt(mean(x^2) + eps)
//   layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
//   l2:     n = x / sqrt(sum(x^2) + eps)
//   y = n * (offset + weight) + bias
// Rms is Zhang and Sennrich (2019), equation 4; layer is Ba, Kiros and Hinton (2016).
//
// The sum is added per thread, then by warp, then over warps: its order depends on the row's length and on the block,
// which the host derives from the length alone, so a row has the same bits in any batch.
//
// QK_DTYPE           0 f32, 1 bf16, 2 f16: x and y
// QK_WEIGHT          0: no weight, a factor of 1; 1: weights
// QK_BIAS            0 or 1
// QK_WEIGHT_DTYPE    of weight and bias, numbered like QK_DTYPE
// QK_KIND            0 rms, 1 layer, 2 l2, 3 unit
// QK_OFFSET          0, or 1: the factor is 1 + weight
// QK_HF              0: one rounding at the end; 1: n is rounded, then the product, then the sum with the bias
// QK_IN_PLACE        1: y is x, the y fields of the arguments are not read
// QK_TAIL            elements of the last chunk, 1 to 7; 0: it is whole
// QK_SHORT           1: a block has a thread for each chunk of a row, which keeps it in registers
// QK_ADD             1: what is normalised is x + residual, rounded to the format, and stored as well; one head a token
// QK_ALIGN           bytes that the addresses and strides of x and y (residual, sum) are multiples of: 16, 8, 4 or 2 (f32: 4
//                    or more)
// QK_WEIGHT_ALIGN    the same for weight and bias

// [tokens, heads, length] with strides in bytes. Block token * heads + head normalises one row.
struct Args {
  const char* x;
  char* y;
  const char* weight;
  const char* bias;         // laid out like weight
  i64 x_token_stride, x_head_stride;
  i64 y_token_stride, y_head_stride;
  i64 weight_head_stride;   // 0 for one weight row
  float eps;
  float inverse_length;     // 1 / length
  u32 chunks, heads;        // ceil(length / 8)
  const char* residual;     // the rest with QK_ADD
  char* sum;
  i64 residual_stride, sum_stride;
};

constexpr int X_BYTES = CHUNK * bytes_of(QK_DTYPE), WEIGHT_BYTES = CHUNK * bytes_of(QK_WEIGHT_DTYPE);

// The elements of chunk c of a row.
DEVICE int filled(u32 c, u32 chunks) { return QK_TAIL && c == chunks - 1 ? QK_TAIL : CHUNK; }

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

// Chunk c of the row that is normalised.
DEVICE Chunk<QK_DTYPE> chunk_at(const char* row, u32 c, int count, const Chunk<QK_DTYPE>& held) {
  if constexpr (QK_SHORT) return held;
  else return load_part<QK_DTYPE, QK_ALIGN>(row + static_cast<i64>(c) * X_BYTES, count);
}

// x + residual, stored as the row that is normalised from here on; the last chunk of it stays.
DEVICE Chunk<QK_DTYPE> add_rows(const char* x, const char* residual, char* sum, u32 chunks) {
  Chunk<QK_DTYPE> added;
  for (u32 c = threadIdx.x; c < chunks; c += blockDim.x) {
    const int count = filled(c, chunks);
    const i64 at = static_cast<i64>(c) * X_BYTES;
    added = load_part<QK_DTYPE, QK_ALIGN>(x + at, count);
    const auto other = load_part<QK_DTYPE, QK_ALIGN>(residual + at, count);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b, first, second;
      get_pair(added, pair, a, b);
      get_pair(other, pair, first, second);
      set_pair(added, pair, __fadd_rn(a, first), __fadd_rn(b, second));
    }
    store_part<QK_DTYPE, QK_ALIGN>(sum + at, added, count);
  }
  return added;
}

// The sum over a row of x - mean, or of its square.
template <bool SQUARED>
DEVICE float row_sum(const char* x, u32 chunks, float mean, const Chunk<QK_DTYPE>& held) {
  float sum = 0;
  for (u32 c = threadIdx.x; c < chunks; c += blockDim.x) {
    const int count = filled(c, chunks);
    const auto chunk = chunk_at(x, c, count, held);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(chunk, pair, a, b);
      if constexpr (QK_KIND == LAYER && SQUARED) {
        a = 2 * pair < count ? __fsub_rn(a, mean) : 0;
        b = 2 * pair + 1 < count ? __fsub_rn(b, mean) : 0;
      }
      sum = SQUARED ? __fmaf_rn(b, b, __fmaf_rn(a, a, sum)) : __fadd_rn(__fadd_rn(sum, a), b);
    }
  }
  return block_sum(sum);
}

DEVICE float times_gain(float value, float weight) {
  return QK_OFFSET ? __fmaf_rn(value, weight, value) : __fmul_rn(value, weight);
}

extern "C" __global__ void __launch_bounds__(1024) row_norm(const __grid_constant__ Args args) {
  const i64 token = blockIdx.x / args.heads;
  const u32 head = blockIdx.x % args.heads;
  const i64 at = token * args.x_token_stride + head * args.x_head_stride;
  const char* x = args.x + at;
  char* y = QK_IN_PLACE ? const_cast<char*>(args.x) + at
                        : args.y + token * args.y_token_stride + head * args.y_head_stride;
  const char* weight = args.weight + head * args.weight_head_stride;
  const char* bias = args.bias + head * args.weight_head_stride;
  allow_successor();
  // Moves bytes, not values: whoever wrote the weights may still run.
  const bool mine = threadIdx.x < args.chunks;
  if constexpr (QK_WEIGHT) if (mine) prefetch_line(weight + static_cast<i64>(threadIdx.x) * WEIGHT_BYTES);
  if constexpr (QK_BIAS) if (mine) prefetch_line(bias + static_cast<i64>(threadIdx.x) * WEIGHT_BYTES);
  wait_for_predecessor();

  Chunk<QK_DTYPE> held;
  Chunk<QK_WEIGHT_DTYPE> gain, shift;
  const auto load_affine = [&](u32 c, int count) {
    const i64 of_chunk = static_cast<i64>(c) * WEIGHT_BYTES;
    if constexpr (QK_WEIGHT) gain = load_part<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(weight + of_chunk, count);
    if constexpr (QK_BIAS) shift = load_part<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(bias + of_chunk, count);
  };
  if constexpr (QK_ADD) {
    char* sum = args.sum + token * args.sum_stride;
    held = add_rows(x, args.residual + token * args.residual_stride, sum, args.chunks);
    x = sum;
  } else if constexpr (QK_SHORT) {
    if (mine) held = load_part<QK_DTYPE, QK_ALIGN>(x + static_cast<i64>(threadIdx.x) * X_BYTES, filled(threadIdx.x, args.chunks));
  }
  if constexpr (QK_SHORT) if (mine) load_affine(threadIdx.x, filled(threadIdx.x, args.chunks));

  float mean = 0;
  if constexpr (QK_KIND == LAYER) {
    mean = __fmul_rn(row_sum<false>(x, args.chunks, 0, held), args.inverse_length);
    __syncthreads();  // block_sum's memory is used again
  }
  const float sum = row_sum<true>(x, args.chunks, mean, held);
  const float scale = scale_of<QK_DTYPE, QK_KIND>(sum, args.inverse_length, args.eps);

  // A long row is read again from the caches: one of the longest kind is 64 KiB.
  for (u32 c = threadIdx.x; c < args.chunks; c += blockDim.x) {
    const int count = filled(c, args.chunks);
    auto chunk = chunk_at(x, c, count, held);
    if constexpr (!QK_SHORT) load_affine(c, count);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b, first, second;
      get_pair(chunk, pair, a, b);
      if constexpr (QK_KIND == LAYER) a = __fsub_rn(a, mean), b = __fsub_rn(b, mean);
      a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
      if constexpr (QK_HF) round_pair<QK_DTYPE>(a, b);
      if constexpr (QK_WEIGHT) {
        get_pair(gain, pair, first, second);
        a = times_gain(a, first), b = times_gain(b, second);
      }
      if constexpr (QK_BIAS) {
        if constexpr (QK_HF) round_pair<QK_DTYPE>(a, b);
        get_pair(shift, pair, first, second);
        a = __fadd_rn(a, first), b = __fadd_rn(b, second);
      }
      set_pair(chunk, pair, a, b);
    }
    store_part<QK_DTYPE, QK_ALIGN>(y + static_cast<i64>(c) * X_BYTES, chunk, count);
  }
}
