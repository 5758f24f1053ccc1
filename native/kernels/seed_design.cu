// Two baselines for the benchmarks, not used by the library: the fused QK norm as its first published version does
// it, and as its version of mid-2026 does, written from their description. RMS only, weights in the activations'
// dtype, in place.
//
// One warp per (token, head); 4 warps a block; a persistent grid of min(SMs * occupancy, ceil(rows / 4)) blocks; a
// lane moves the QK_HEAD_DIM / 32 neighbouring elements of its share; a 32-bit division per row; the weight is loaded
// after the reduction; PDL wait before everything, trigger after the loop.
//
// The design of mid-2026 differs in one thing: the weight is loaded next to the input.
//
// QK_HEAD_DIM        a multiple of 64
// QK_DTYPE           1 bf16, 2 f16
// QK_WEIGHT_EARLY    0: the seed's design; 1: the design of mid-2026

constexpr int WARPS = 4;
constexpr int PER_LANE = QK_HEAD_DIM / 32;
constexpr int WORDS = PER_LANE / 2;

static_assert(QK_HEAD_DIM % 64 == 0 && QK_DTYPE != F32, "whole words of a 16-bit format per lane");

struct Share {
  u32 word[WORDS];
};

constexpr int TOGETHER = WORDS == 2 || WORDS == 4 ? WORDS : 1;

DEVICE Share load_share(const u32* p) {
  Share s;
  for (int i = 0; i < WORDS; i += TOGETHER) load_words<TOGETHER>(reinterpret_cast<const char*>(p + i), s.word + i);
  return s;
}

DEVICE void store_share(u32* p, const Share& s) {
  for (int i = 0; i < WORDS; i += TOGETHER) store_words<TOGETHER>(reinterpret_cast<char*>(p + i), s.word + i);
}

// Token strides are in elements; heads are contiguous in a token.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
seed_design(u16* q, u16* k, const u16* q_weight, const u16* k_weight, i64 q_token_stride, i64 k_token_stride,
            u32 q_heads, u32 k_heads, float eps, u32 tokens) {
  wait_for_predecessor();
  const u32 lane = threadIdx.x % 32;
  const u32 heads = q_heads + k_heads;
  const u32 rows = tokens * heads;
  for (u32 row = blockIdx.x * WARPS + threadIdx.x / 32; row < rows; row += gridDim.x * WARPS) {
    const u32 token = row / heads;
    const u32 head = row % heads;
    const bool is_q = head < q_heads;
    u16* start = is_q ? q + token * q_token_stride + static_cast<i64>(head) * QK_HEAD_DIM
                      : k + token * k_token_stride + static_cast<i64>(head - q_heads) * QK_HEAD_DIM;
    u32* share = reinterpret_cast<u32*>(start) + lane * WORDS;
    const u32* weights = reinterpret_cast<const u32*>(is_q ? q_weight : k_weight) + lane * WORDS;

    Share x = load_share(share);
    Share weight;
    if constexpr (QK_WEIGHT_EARLY) weight = load_share(weights);
    float sum = 0;
    for (u32 word : x.word) {
      float a, b;
      unpack<QK_DTYPE>(word, a, b);
      sum += a * a + b * b;
    }
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, mask);
    const float scale = inverse_root<QK_DTYPE>(sum * (1.0f / QK_HEAD_DIM) + eps);
    if constexpr (!QK_WEIGHT_EARLY) weight = load_share(weights);
    for (int i = 0; i < WORDS; ++i) {
      float a, b, wa, wb;
      unpack<QK_DTYPE>(x.word[i], a, b);
      unpack<QK_DTYPE>(weight.word[i], wa, wb);
      x.word[i] = pack<QK_DTYPE>(a * scale * wa, b * scale * wb);
    }
    store_share(share, x);
  }
  allow_successor();
}
