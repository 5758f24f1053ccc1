// Baselines of the chain for the benchmarks, not used by the library, written from the description of what serving
// engines run in mid-2026 between the QKV projection and attention: a norm fused with RoPE, RoPE fused with the cache write,
// and a copy of rows by index. RMS with one rounding, RoPE of the whole head in halves, in place, head dim QK_HEAD_DIM, bf16
// or f16. The norm alone is seed_design.cu.
//
// All have one warp per (token, head), 4 warps a block, a persistent grid of min(SMs * occupancy, ceil(rows / 4)) blocks, D / 32
// neighbouring elements a lane, a 32-bit division per row, and PDL's wait before everything and trigger after the loop. In the
// fused norm, weight and angles are loaded behind the reduction. Token strides are in elements; heads are contiguous.
//
// QK_HEAD_DIM        a multiple of 128
// QK_DTYPE           1 bf16, 2 f16
// QK_BASELINE        which of them: 0 fused_norm_rope, 1 rope_store, 2 copy_rows

constexpr int WARPS = 4;
constexpr int PER_LANE = QK_HEAD_DIM / 32;
constexpr int WORDS = PER_LANE / 2;
constexpr int HALF = QK_HEAD_DIM / 2;

static_assert(QK_HEAD_DIM % 128 == 0 && QK_DTYPE != F32, "whole pairs of words of a 16-bit format per lane");

struct Share { u32 word[WORDS]; };

DEVICE Share load_share(const u16* row, u32 lane) {
  Share share;
  for (int i = 0; i < WORDS; i += 2) load_words<2>(reinterpret_cast<const char*>(row + lane * PER_LANE + 2 * i), share.word + i);
  return share;
}

DEVICE void store_share(u16* row, u32 lane, const Share& share) {
  for (int i = 0; i < WORDS; i += 2) store_words<2>(reinterpret_cast<char*>(row + lane * PER_LANE + 2 * i), share.word + i);
}

// Turns a share by the angles of a position; lanes of the first half hold the partners of those of the second.
DEVICE void turn(float (&x)[PER_LANE], const float* cos, const float* sin, u32 lane) {
  const u32 first = lane % 16 * PER_LANE;
  for (int i = 0; i < PER_LANE; ++i) {
    const float other = __shfl_xor_sync(0xffffffffu, x[i], 16);
    const float c = cos[first + i], s = sin[first + i];
    x[i] = lane < 16 ? x[i] * c - other * s : x[i] * c + other * s;
  }
}

DEVICE void widen(const Share& share, float (&x)[PER_LANE]) {
  for (int i = 0; i < WORDS; ++i) unpack<QK_DTYPE>(share.word[i], x[2 * i], x[2 * i + 1]);
}

DEVICE void narrow(const float (&x)[PER_LANE], Share& share) {
  for (int i = 0; i < WORDS; ++i) share.word[i] = pack<QK_DTYPE>(x[2 * i], x[2 * i + 1]);
}

#if QK_BASELINE == 0
extern "C" __global__ void __launch_bounds__(32 * WARPS)
fused_norm_rope(u16* q, u16* k, const u16* q_weight, const u16* k_weight, const float* cos, const float* sin,
                const int* positions, i64 q_token_stride, i64 k_token_stride, u32 q_heads, u32 k_heads, float eps,
                u32 tokens) {
  wait_for_predecessor();
  const u32 lane = threadIdx.x % 32;
  const u32 heads = q_heads + k_heads;
  for (u32 row = blockIdx.x * WARPS + threadIdx.x / 32; row < tokens * heads; row += gridDim.x * WARPS) {
    const u32 token = row / heads, head = row % heads;
    const bool is_q = head < q_heads;
    u16* start = is_q ? q + token * q_token_stride + static_cast<i64>(head) * QK_HEAD_DIM
                      : k + token * k_token_stride + static_cast<i64>(head - q_heads) * QK_HEAD_DIM;
    Share share = load_share(start, lane);
    float x[PER_LANE], weight[PER_LANE], sum = 0;
    widen(share, x);
    for (float value : x) sum += value * value;
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    const float scale = inverse_root<QK_DTYPE>(sum * (1.0f / QK_HEAD_DIM) + eps);
    widen(load_share(is_q ? q_weight : k_weight, lane), weight);
    for (int i = 0; i < PER_LANE; ++i) x[i] = x[i] * scale * weight[i];
    const i64 place = static_cast<i64>(positions[token]) * HALF;
    turn(x, cos + place, sin + place, lane);
    narrow(x, share);
    store_share(start, lane, share);
  }
  allow_successor();
}

#elif QK_BASELINE == 1
extern "C" __global__ void __launch_bounds__(32 * WARPS)
rope_store(u16* q, u16* k, const u16* v, const float* cos, const float* sin, const int* positions, u16* k_cache,
           u16* v_cache, const int* slots, i64 q_token_stride, i64 k_token_stride, i64 v_token_stride, u32 q_heads,
           u32 k_heads, u32 tokens) {
  wait_for_predecessor();
  const u32 lane = threadIdx.x % 32;
  const u32 heads = q_heads + 2 * k_heads;
  for (u32 row = blockIdx.x * WARPS + threadIdx.x / 32; row < tokens * heads; row += gridDim.x * WARPS) {
    const u32 token = row / heads, head = row % heads;
    const bool is_q = head < q_heads, is_v = head >= q_heads + k_heads;
    const i64 kv_head = is_v ? head - q_heads - k_heads : head - q_heads;
    const u16* start = is_q ? q + token * q_token_stride + static_cast<i64>(head) * QK_HEAD_DIM
                            : (is_v ? v + token * v_token_stride : k + token * k_token_stride) + kv_head * QK_HEAD_DIM;
    Share share = load_share(start, lane);
    if (!is_v) {
      float x[PER_LANE];
      widen(share, x);
      const i64 place = static_cast<i64>(positions[token]) * HALF;
      turn(x, cos + place, sin + place, lane);
      narrow(x, share);
      store_share(const_cast<u16*>(start), lane, share);
    }
    if (is_q) continue;
    const i64 slot = slots[token];
    store_share((is_v ? v_cache : k_cache) + (slot * k_heads + kv_head) * QK_HEAD_DIM, lane, share);
  }
  allow_successor();
}

#else
// Rows of all heads of a token, to the rows of a cache that an index names.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
copy_rows(const u16* x, u16* cache, const int* slots, i64 token_stride, u32 heads, u32 tokens) {
  wait_for_predecessor();
  const u32 lane = threadIdx.x % 32;
  for (u32 row = blockIdx.x * WARPS + threadIdx.x / 32; row < tokens * heads; row += gridDim.x * WARPS) {
    const u32 token = row / heads, head = row % heads;
    const i64 slot = slots[token];
    store_share(cache + (slot * heads + head) * QK_HEAD_DIM, lane,
                load_share(x + token * token_stride + static_cast<i64>(head) * QK_HEAD_DIM, lane));
  }
  allow_successor();
}
#endif
