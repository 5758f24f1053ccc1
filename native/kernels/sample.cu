// Draws the next token of each row of logits, a block for a row: penalties, temperature, top-k, top-p, min-p, and the token
// whose logit plus a Gumbel number of its own is the largest of those that are kept, which is a draw from their softmax.
//
// Which token that is does not depend on the order in which anything is added: what top-p counts are whole numbers. Top-p needs
// no sorting either. The winner of all is drawn first; if those above it have the mass already, it and all below it are out,
// and the winner of those above is next. The last one is the winner of the kept ones, since all of them took part.
//
// QK_DTYPE    0 f32, 1 bf16, 2 f16: the logits
// QK_SEEN     1: penalties
// QK_THREADS  of a block, which changes no draw

struct Args {
  const char* logits;     // [B, V]
  const float* settings;  // [B, 6]: temperature, top-p, min-p, penalties for repetition, presence and frequency
  const int* keys;        // [B, 3]: top-k, and the seed's lower and upper half
  const int* counters;    // [B]
  int* seen;              // [B, V]: 2 * how often it was drawn + whether the prompt has it
  int* ids;               // [B]
  int* positions;         // [B]; may be the counters
  int* log;               // [B, places]
  i64 stride;             // bytes between rows
  u32 width, places;      // V
};

constexpr int THREADS = QK_THREADS, PIVOTS = 7;
struct Rows {
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

// The k-th largest, as `ordered` has it, or a number below it and above the next.
DEVICE u32 kth_largest(const Rows& row, u32 width, u32 k, u32 high, u32* counts) {
  u32 low = 0;
  while (low < high) {
    const u32 step = (high - low) / (PIVOTS + 1) + 1;
    if (threadIdx.x < PIVOTS) counts[threadIdx.x] = 0;
    __syncthreads();
    u32 pivots[PIVOTS], found[PIVOTS];
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
      const u32 ahead = step * (i + 1);
      pivots[i] = ahead < high - low ? low + ahead : high;
      found[i] = 0;
    }
    for (u32 id = threadIdx.x; id < width; id += THREADS) {
      const u32 order = ordered(row.logit(id));
#pragma unroll
      for (int i = 0; i < PIVOTS; ++i) found[i] += order >= pivots[i];
    }
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
#pragma unroll
      for (int half = 16; half > 0; half /= 2) found[i] += __shfl_xor_sync(0xffffffffu, found[i], half);
      if (threadIdx.x % 32 == 0) atomicAdd(counts + i, found[i]);
    }
    __syncthreads();
    u32 next = high, exact = 0;
#pragma unroll
    for (int i = PIVOTS - 1; i >= 0; --i) {
      if (counts[i] == k) exact = pivots[i];
      if (counts[i] < k) next = pivots[i] - 1;
    }
    u32 first = low;
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
      if (counts[i] >= k) first = pivots[i];
    }
    __syncthreads();
    if (exact != 0) return exact;
    low = first, high = next;
  }
  return low;
}

// In units of 2^-31 of the likeliest token's: whole numbers, at most 2^52 together.
DEVICE u64 mass_of(float z) { return z < -22.0f ? 0 : static_cast<u64>(__fmul_rn(exact_exp(z), 2147483648.0f)); }

extern "C" __global__ void __launch_bounds__(QK_THREADS) sample(const __grid_constant__ Args args) {
  __shared__ u64 room[THREADS / 32];
  __shared__ u32 counts[PIVOTS];
  const u32 b = blockIdx.x, width = args.width;
  allow_successor();
  wait_for_predecessor();
  const float* settings = args.settings + 6 * b;
  const float temperature = settings[0], top_p = settings[1], min_p = settings[2];
  const int* keys = args.keys + 3 * b;
  const u32 top_k = keys[0], low_seed = keys[1], high_seed = keys[2], counter = args.counters[b];
  int* const seen = QK_SEEN ? args.seen + static_cast<u64>(b) * width : nullptr;
  const Rows row = {args.logits + b * args.stride, seen, settings[3], settings[4], settings[5]};

  u64 best = 0;
  for (u32 id = threadIdx.x; id < width; id += THREADS) {
    best = Largest::of(best, key_of(row.logit(id), id));
  }
  best = over_block<Largest, THREADS>(best, room);
  const u32 most = static_cast<u32>(best >> 32);
  const bool finite = is_finite(best);
  u32 token = token_of(best);
  if (finite && temperature > 0) {
    const float largest = unordered(most);
    const auto place = [&](float x) { return __fdiv_rn(__fsub_rn(x, largest), temperature); };
    const u32 least = top_k > 0 && top_k < width ? kth_largest(row, width, top_k, most, counts) : MINUS_INFINITE + 1;
    const float floor = min_p > 0 ? exact_log(min_p) : -__uint_as_float(0x7f800000u);
    // The mass of all that are above a key.
    const auto mass_above = [&](u64 key) {
      u64 mass = 0;
      for (u32 id = threadIdx.x; id < width; id += THREADS) {
        const float x = row.logit(id);
        if (ordered(x) >= least && key_of(x, id) > key) mass += mass_of(place(x));
      }
      return over_block<Sum, THREADS>(mass, room);
    };
    double wanted = 0;
    if (top_p < 1) wanted = __dmul_rn(static_cast<double>(top_p), static_cast<double>(mass_above(0)));
    for (u64 out = 0;;) {
      u64 winner = 0;
      for (u32 first = 4 * threadIdx.x; first < width; first += 4 * THREADS) {
        float scores[4];
        bool any = false, takes_part[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const u32 id = first + i;
          const float x = id < width ? row.logit(id) : 0;
          scores[i] = place(x);
          takes_part[i] = id < width && ordered(x) >= least && scores[i] >= floor && key_of(x, id) > out;
          any = any || takes_part[i];
        }
        if (!any) continue;
        const Words random = philox({{first / 4, counter, 0, 0}}, low_seed, high_seed);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (!takes_part[i]) continue;
          winner = Largest::of(winner, key_of(__fadd_rn(scores[i], gumbel(random.word[i])), first + i));
        }
      }
      token = token_of(over_block<Largest, THREADS>(winner, room));
      if (top_p >= 1) break;
      out = key_of(row.logit(token), token);
      const u64 above = mass_above(out);
      if (above == 0 || static_cast<double>(above) < wanted) break;
    }
  }
  if (threadIdx.x != 0) return;
  if (QK_SEEN && finite) seen[token] += 2;
  int* const log = args.log + static_cast<u64>(b) * args.places;
  go_on(token, finite, args.ids + b, args.positions + b, log, args.places);
}
