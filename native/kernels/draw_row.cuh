// A row of logits that a token is drawn from, with its penalties. It is cut into chunks of neighbours, whose largest logits are
// found first: a chunk whose largest is too small is never read again.
//
// QK_DTYPE  0 f32, 1 bf16, 2 f16: the logits
// QK_SEEN   1: penalties

// What the three kernels of a draw are told, sample_maxima, sample_parts and sample, which come one after the other.
struct Args {
  const char* logits;     // [B, V]
  const float* settings;  // [B, 6]: temperature, top-p, min-p, penalties for repetition, presence and frequency
  const int* keys;        // [B, 3]: top-k, and the seed's lower and upper half
  const int* counters;    // [B]
  int* seen;              // [B, V]: 2 * how often it was drawn + whether the prompt has it
  u64* maxima;            // [B, chunks]: the largest of each chunk, penalties taken, as a key
  u64* winners;           // [B, parts]
  u64* masses;            // [B, parts]
  int* ids;               // [B]
  int* positions;         // [B]; may be the counters
  int* log;               // [B, places]
  i64 stride;             // bytes between rows
  u32 width, places;      // V
  u32 chunk, chunks;      // tokens of a chunk, and chunks of a row, at most 2,048
  u32 part, parts;        // tokens of a part, and parts of a row
};

struct DrawRow {
  const char* logits;
  const int* seen;
  float repetition, presence, frequency;

  __device__ __forceinline__ float logit(u32 id) const {
    float x = element<QK_DTYPE>(logits, id);
    if constexpr (QK_SEEN) {
      const int count = seen[id];
      if (count > 0) x = x < 0 ? __fmul_rn(x, repetition) : __fdiv_rn(x, repetition);
      if (count > 1) x = __fsub_rn(x, __fadd_rn(presence, __fmul_rn(frequency, static_cast<float>(count / 2))));
    }
    return x;
  }
};

// What a text asks for: six numbers and three whole ones, as they lie in memory.
struct DrawSettings {
  float temperature, top_p, min_p, repetition, presence, frequency;
  u32 top_k, low_seed, high_seed;

  // Whether top-k leaves anything out of `width` tokens.
  __device__ __forceinline__ bool cuts(u32 width) const { return top_k > 0 && top_k < width; }
  // Of a token's score, its logit's distance from the largest one in temperatures; below it nothing is drawn.
  __device__ __forceinline__ float least_score() const { return min_p > 0 ? exact_log(min_p) : -__uint_as_float(0x7f800000u); }
  __device__ __forceinline__ float score(float x, float largest) const {
    return __fdiv_rn(__fsub_rn(x, largest), temperature);
  }
};

DEVICE DrawSettings draw_settings(const Args& args, u32 row) {
  const float* s = args.settings + 6 * row;
  const u32* k = reinterpret_cast<const u32*>(args.keys) + 3 * row;
  return {s[0], s[1], s[2], s[3], s[4], s[5], k[0], k[1], k[2]};
}

DEVICE DrawRow draw_row(const Args& args, const DrawSettings& s, u32 row) {
  const int* seen = QK_SEEN ? args.seen + static_cast<u64>(row) * args.width : nullptr;
  return {args.logits + row * args.stride, seen, s.repetition, s.presence, s.frequency};
}

DEVICE u32 order_of(u64 key) { return static_cast<u32>(key >> 32); }

// In units of 2^-31 of the likeliest token's: whole numbers, at most 2^52 together.
DEVICE u64 mass_of(float z) { return z < -22.0f ? 0 : static_cast<u64>(__fmul_rn(exact_exp(z), 2147483648.0f)); }
