// A router's choice (Shazeer et al. 2017; bias and groups: DeepSeek-V3, 2024). A warp takes one token: scores of all experts,
// the k best of score + bias one after the other, of equal ones the first; their scores are the weights.
//
// QK_LOGITS    0 f32, 1 bf16, 2 f16
// QK_BIASES    the same: the bias
// QK_WEIGHTS   the same: the weights
// QK_BIAS      0 or 1
// QK_SIGMOID   0: the softmax over the experts, 1: the sigmoid of each
// QK_GROUPS    equal runs of experts, of which only the best take part by the sum of their two largest; 0: all take part
// QK_NORMALIZE 1: the weights are divided by their sum, eps added to it
// QK_COUNT     experts, where a warp's registers hold their ranks; 0: any number of them

struct Args {
  const char* logits;           // [T, E]
  const char* bias;             // [E]
  int* experts;                 // [T, K]
  char* weights;                // [T, K]
  i64 stride;                   // bytes between rows of the logits
  u32 tokens, count, chosen, kept;   // E, K, and groups that take part
  float eps, factor;
};

constexpr u32 NOBODY = 0xffffffffu;

// Where the largest of rank[begin..end) is that nobody has taken (NaN says so), the first of equal ones; `begin` if all are taken.
DEVICE u32 largest(const float* rank, u32 begin, u32 end, u32 lane) {
  float best = 0;
  u32 where = NOBODY;
  for (u32 i = begin + lane; i < end; i += 32) {
    const float value = rank[i];
    if (value == value && (where == NOBODY || value > best)) best = value, where = i;
  }
  for (int half = 16; half > 0; half /= 2) {
    const float other = __shfl_xor_sync(0xffffffffu, best, half);
    const u32 there = __shfl_xor_sync(0xffffffffu, where, half);
    const bool better = where == NOBODY || other > best || (other == best && there < where);
    if (there != NOBODY && better) best = other, where = there;
  }
  return where == NOBODY ? begin : where;
}

// A number whose order as an unsigned one is that of the values; 0 for NaN, which is nobody's. Both zeros are one value.
DEVICE u32 order_of(float x) {
  const u32 bits = __float_as_uint(x + 0.0f);
  return x != x ? 0 : bits >> 31 ? ~bits : bits | 0x80000000u;
}

constexpr int HELD = QK_COUNT > 0 ? (QK_COUNT + 31) / 32 : 1;  // ranks of a lane, where registers hold all

// The ranks of a warp in its registers: two instructions find the largest of all lanes, where shuffles need ten, one after the other.
struct Ranks {
  u32 order[HELD];

  __device__ __forceinline__ void load(const float* rank, u32 lane) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) order[j] = lane + 32 * j < QK_COUNT ? order_of(rank[lane + 32 * j]) : 0;
  }

  // As `largest` of all; nobody has it any more.
  __device__ __forceinline__ u32 take(u32 lane) {
    u32 best = 0, where = 0;
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (order[j] > best) best = order[j], where = lane + 32 * j;
    }
    const u32 all = __reduce_max_sync(0xffffffffu, best);
    if (all == 0) return 0;
    where = __reduce_min_sync(0xffffffffu, best == all ? where : NOBODY);
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (lane + 32 * j == where) order[j] = 0;
    }
    return where;
  }
};

extern "C" __global__ void __launch_bounds__(128) route(const __grid_constant__ Args args) {
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, token = blockIdx.x * (blockDim.x / 32) + warp;
  const float taken = __uint_as_float(0x7fffffffu);
  float* rank = reinterpret_cast<float*>(dynamic_shared()) + warp * (2 * args.count + QK_GROUPS + args.chosen);
  float *scores = rank + args.count, *totals = scores + args.count;
  u32* const choices = reinterpret_cast<u32*>(totals + QK_GROUPS);
  allow_successor();
  wait_for_predecessor();
  if (token >= args.tokens) return;
  const char* row = args.logits + token * args.stride;

  float peak = __uint_as_float(0xff800000u), sum = 0;
  for (u32 i = lane; i < args.count; i += 32) {
    const float x = element<QK_LOGITS>(row, i);
    scores[i] = x;
    peak = fmaxf(peak, x);
  }
  if constexpr (!QK_SIGMOID) {
    peak = warp_max(peak);
    for (u32 i = lane; i < args.count; i += 32) sum = __fadd_rn(sum, expf(__fsub_rn(scores[i], peak)));
    sum = warp_sum(sum);
  }
  for (u32 i = lane; i < args.count; i += 32) {
    const float x = scores[i];
    const float score = QK_SIGMOID ? __fdiv_rn(1.0f, 1.0f + expf(-x)) : __fdiv_rn(expf(__fsub_rn(x, peak)), sum);
    // Ranking by the logits themselves where nothing is added keeps scores apart that round to one.
    rank[i] = QK_BIAS ? __fadd_rn(score, element<QK_BIASES>(args.bias, i)) : QK_GROUPS ? score : x;
    scores[i] = score;
  }
  __syncwarp();

  if constexpr (QK_GROUPS > 0) {
    const u32 size = args.count / QK_GROUPS;
    for (u32 group = 0; group < QK_GROUPS; ++group) {
      const u32 begin = group * size, first = largest(rank, begin, begin + size, lane);
      const float value = rank[first];
      __syncwarp();
      if (lane == 0) rank[first] = taken;
      __syncwarp();
      const u32 second = largest(rank, begin, begin + size, lane);
      const float other = rank[second];
      __syncwarp();
      if (lane == 0) totals[group] = __fadd_rn(value, other), rank[first] = value;
      __syncwarp();
    }
    // Those that stay are marked by their totals being taken.
    for (u32 kept = 0; kept < args.kept; ++kept) {
      const u32 best = largest(totals, 0, QK_GROUPS, lane);
      __syncwarp();
      if (lane == 0) totals[best] = taken;
      __syncwarp();
    }
    for (u32 i = lane; i < args.count; i += 32) {
      const float total = totals[i / size];
      if (total == total) rank[i] = taken;
    }
    __syncwarp();
  }

  float share = 0;
  Ranks ranks;
  if constexpr (QK_COUNT > 0) ranks.load(rank, lane);
  for (u32 k = 0; k < args.chosen; ++k) {
    u32 best;
    if constexpr (QK_COUNT > 0) {
      best = ranks.take(lane);
    } else {
      best = largest(rank, 0, args.count, lane);
      __syncwarp();
      if (lane == 0) rank[best] = taken;
    }
    share = __fadd_rn(share, scores[best]);
    if (lane == 0) choices[k] = best;
    __syncwarp();
  }
  const float divisor = __fadd_rn(share, args.eps);
  for (u32 k = lane; k < args.chosen; k += 32) {
    args.experts[static_cast<u64>(token) * args.chosen + k] = static_cast<int>(choices[k]);
    const float score = scores[choices[k]];
    put_element<QK_WEIGHTS>(args.weights + static_cast<u64>(token) * args.chosen * bytes_of(QK_WEIGHTS), k,
                            __fmul_rn(args.factor, QK_NORMALIZE ? __fdiv_rn(score, divisor) : score));
  }
}
