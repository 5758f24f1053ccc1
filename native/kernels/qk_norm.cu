// QK norm: every head of q and of k normalised in one launch, in place or not.
//   rms:    n = x / sqrt(mean(x^2) + eps)
//   layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
//   l2:     n = x / sqrt(sum(x^2) + eps)
//   y = n * (offset + weight) + bias
// Rms is Zhang and Sennrich (2019), equation 4; layer is Ba, Kiros and Hinton (2016).
//
// The work: the heads of q and k count as one list, H = Hq + Hkv; the tokens are cut into slices of QK_ROWS
// neighbours. LANES lanes of a warp take one head of one slice, all its tokens at once ("rows in flight"), so a lane
// needs one weight, one division and one choice between q and k. Neighbouring lane groups take neighbouring heads,
// which are neighbours in memory: q and k of a token are read together.
//
// Batch invariance: a row's sums are added in one tree over its chunks of 8, fixed by the head dim. LANES only
// decides which branches of that tree are local and which are shuffles, so every launch configuration and every
// number of tokens gives a row the same bits. Arithmetic whose contraction would depend on the configuration is
// spelled as intrinsics.
//
// Latency: with PDL, all that does not read x (index arithmetic, addresses, weights) is done before the wait for the
// preceding kernel. So a kernel that writes the weights must not directly precede this one under PDL. x itself may be
// fetched into the L2 before the wait (QK_PREFETCH): that moves bytes, not values, and the L2 is where the writes of
// the preceding kernel arrive. It helps where x lies in memory, and costs next to nothing where it is in the L2.

// ---- what is compiled: the spec ----
// QK_HEAD_DIM        8..1024, a multiple of 8
// QK_DTYPE           0 f32, 1 bf16, 2 f16: q, k and the results
// QK_WEIGHT          0: no weight, a factor of 1; 1: weights
// QK_BIAS            0 or 1
// QK_WEIGHT_DTYPE    of weight and bias, numbered like QK_DTYPE
// QK_KIND            0 rms, 1 layer, 2 l2, 3 unit
// QK_OFFSET          0, or 1: the factor is 1 + weight
// QK_HF              0: one rounding at the end; 1: n is rounded, then the product, then the sum with the bias
// QK_IN_PLACE        1: y is x, the y fields of the arguments are not read
// QK_ALIGN           bytes that all x and y addresses and strides are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_WEIGHT_ALIGN    the same for weight and bias
// ---- what is compiled: the launch configuration; it never changes a bit of the result ----
// QK_LANES           lanes per row: a power of two, at most 32 and at most the chunks of a row (rounded up to one)
// QK_ROWS            tokens in flight per lane group
// QK_BLOCK           threads per block, a multiple of 32
// QK_TRIGGER         when the next kernel may start: 0 at exit, 1 at once, 2 when the loads are issued, 3 at the end,
//                    4 right before the wait, 5 once the head and the slice are known
// QK_LOOP            0: grid covers all slices; 1: persistent, each group strides over slices; 2: and prefetches
// QK_PREFETCH        1: ask for the first rows of x before the wait
// QK_RADIX           lanes that meet in one step of the reduction: 2, or 4 (three shuffles at once, half the steps)

constexpr int AT_ONCE = 1, WHEN_LOADED = 2, AT_END = 3, BEFORE_WAIT = 4, WHEN_DIVIDED = 5;

DEVICE constexpr int power_of_two_above(int n) { return n <= 1 ? 1 : 2 * power_of_two_above((n + 1) / 2); }

constexpr int ROWS = QK_ROWS;
constexpr int LANES = QK_LANES;
constexpr int CHUNKS = QK_HEAD_DIM / CHUNK;
constexpr int LEAVES = power_of_two_above(CHUNKS);    // of the addition tree; absent chunks are zeros
constexpr int SLOTS = LEAVES / LANES;                 // leaves per lane
constexpr int HELD = (CHUNKS + LANES - 1) / LANES;    // chunks per lane: lane, lane + LANES, lane + 2 * LANES, ...

static_assert(QK_HEAD_DIM % CHUNK == 0 && CHUNKS <= 128, "head dim: a multiple of 8 up to 1024");
static_assert(LANES <= 32 && (LANES & (LANES - 1)) == 0 && SLOTS * LANES == LEAVES, "lanes: a power of two that fits");

// One tensor. Strides are in bytes; heads lie head_stride apart inside a token.
struct Side {
  const char* x;
  char* y;
  const char* weight;       // [D], or [H, D] with weight_head_stride
  const char* bias;         // laid out like weight
  i64 x_token_stride, x_head_stride;
  i64 y_token_stride, y_head_stride;
  i64 weight_head_stride;   // 0 for [D]
  float eps;
  u32 heads;
};

struct Args {
  Side q, k;
  u32 tokens;
  u32 heads;                 // q.heads + k.heads
  u32 slices;                // lane groups per head; without QK_LOOP ceil(tokens / QK_ROWS)
  u32 trips;                 // ceil(tokens / (slices * QK_ROWS)), read with QK_LOOP
  u32 multiplier, shift;     // n / heads == n * multiplier >> shift for every n < 2^31
};

struct Row { Chunk<QK_DTYPE> chunk[HELD]; };

DEVICE bool holds(u32 lane, int slot) { return (slot + 1) * LANES <= CHUNKS || lane + slot * LANES < CHUNKS; }

// The chunks of one row that a lane holds; `first` is the address of the first of them.
template <int DTYPE, int ALIGN>
DEVICE void load_held(Chunk<DTYPE> (&chunk)[HELD], const char* first, u32 lane, bool wanted) {
#pragma unroll
  for (int j = 0; j < HELD; ++j) {
    if (wanted && holds(lane, j)) {
      chunk[j] = load_chunk<DTYPE, ALIGN>(first + j * LANES * CHUNK * bytes_of(DTYPE));
    } else {
      for (u32& word : chunk[j].word) word = 0;
    }
  }
}

// ROWS tokens of one head, of which `left` exist; zeros stand for the others.
DEVICE void load_rows(Row (&rows)[ROWS], const char* first, i64 token_stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    load_held<QK_DTYPE, QK_ALIGN>(rows[r].chunk, first + r * token_stride, lane, r < left);
  }
}

DEVICE void store_rows(const Row (&rows)[ROWS], char* first, i64 token_stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (r < left && holds(lane, j)) {
        store_chunk<QK_DTYPE, QK_ALIGN>(first + r * token_stride + j * LANES * CHUNK * bytes_of(QK_DTYPE),
                                        rows[r].chunk[j]);
      }
    }
  }
}

DEVICE float shuffled(float value, int mask) { return __shfl_xor_sync(0xffffffffu, value, mask); }

// sum[r] = the sum of term(element) over row r, the same in each of its lanes.
template <bool SQUARED>
DEVICE void row_sums(const Row (&rows)[ROWS], const float (&mean)[ROWS], float (&sum)[ROWS], u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    float leaf[SLOTS];
#pragma unroll
    for (int j = 0; j < SLOTS; ++j) {
      float even = 0, odd = 0;
      if (j < HELD && holds(lane, j)) {
#pragma unroll
        for (int pair = 0; pair < CHUNK / 2; ++pair) {
          float a, b;
          get_pair(rows[r].chunk[j], pair, a, b);
          if constexpr (QK_KIND == LAYER && SQUARED) a = __fsub_rn(a, mean[r]), b = __fsub_rn(b, mean[r]);
          even = SQUARED ? __fmaf_rn(a, a, even) : __fadd_rn(even, a);
          odd = SQUARED ? __fmaf_rn(b, b, odd) : __fadd_rn(odd, b);
        }
      }
      leaf[j] = __fadd_rn(even, odd);
    }
    // The tree halves from its widest stride down: the strides of LANES and more are here, the others shuffles.
#pragma unroll
    for (int half = SLOTS / 2; half > 0; half /= 2) {
#pragma unroll
      for (int j = 0; j < half; ++j) leaf[j] = __fadd_rn(leaf[j], leaf[j + half]);
    }
    sum[r] = leaf[0];
  }
  int half = LANES / 2;
  // The same tree, two of its levels at a time: three shuffles wait for one another less than two in turn.
#pragma unroll
  for (; QK_RADIX == 4 && half > 1; half /= 4) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const float across = shuffled(sum[r], half);
      const float beside = shuffled(sum[r], half / 2), diagonal = shuffled(sum[r], half + half / 2);
      sum[r] = __fadd_rn(__fadd_rn(sum[r], across), __fadd_rn(beside, diagonal));
    }
  }
#pragma unroll
  for (; half > 0; half /= 2) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sum[r] = __fadd_rn(sum[r], shuffled(sum[r], half));
  }
}

// value * (offset + weight), rounded once.
DEVICE float times_gain(float value, float weight) {
  return QK_OFFSET ? __fmaf_rn(value, weight, value) : __fmul_rn(value, weight);
}

struct Affine { Chunk<QK_WEIGHT_DTYPE> weight[HELD], bias[HELD]; };

// Two elements of a row. With one rounding the weight is applied first: that product does not wait for the sums.
DEVICE void normalize_pair(float& a, float& b, float mean, float scale, const Affine& affine, int slot, int pair) {
  float weight[2], bias[2];
  if constexpr (QK_WEIGHT) get_pair(affine.weight[slot], pair, weight[0], weight[1]);
  if constexpr (QK_BIAS) get_pair(affine.bias[slot], pair, bias[0], bias[1]);
  if constexpr (QK_KIND == LAYER) a = __fsub_rn(a, mean), b = __fsub_rn(b, mean);
  if constexpr (QK_HF) {
    a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
    round_pair<QK_DTYPE>(a, b);
    if constexpr (QK_WEIGHT) a = times_gain(a, weight[0]), b = times_gain(b, weight[1]);
    if constexpr (QK_BIAS) {
      round_pair<QK_DTYPE>(a, b);
      a = __fadd_rn(a, bias[0]), b = __fadd_rn(b, bias[1]);
    }
  } else {
    if constexpr (QK_WEIGHT) a = times_gain(a, weight[0]), b = times_gain(b, weight[1]);
    a = QK_BIAS ? __fmaf_rn(a, scale, bias[0]) : __fmul_rn(a, scale);
    b = QK_BIAS ? __fmaf_rn(b, scale, bias[1]) : __fmul_rn(b, scale);
  }
}

DEVICE void normalize(Row (&rows)[ROWS], const Affine& affine, float eps, u32 lane) {
  float mean[ROWS], sum[ROWS];
  if constexpr (QK_KIND == LAYER) {
    row_sums<false>(rows, mean, mean, lane);
    for (float& m : mean) m = __fmul_rn(m, 1.0f / QK_HEAD_DIM);
  }
  row_sums<true>(rows, mean, sum, lane);
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    const float scale = scale_of<QK_DTYPE, QK_KIND>(sum[r], 1.0f / QK_HEAD_DIM, eps);
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
#pragma unroll
      for (int pair = 0; pair < CHUNK / 2; ++pair) {
        float a, b;
        get_pair(rows[r].chunk[j], pair, a, b);
        normalize_pair(a, b, mean[r], scale, affine, j, pair);
        set_pair(rows[r].chunk[j], pair, a, b);
      }
    }
  }
}

// Asks for the lines of the first rows, without waiting for them.
DEVICE void prefetch_rows(const char* first, i64 token_stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      const char* chunk = first + r * token_stride + j * LANES * CHUNK * bytes_of(QK_DTYPE);
      if (r < left && holds(lane, j)) prefetch_line(chunk);
    }
  }
}

extern "C" __global__ void __launch_bounds__(QK_BLOCK) qk_norm(const __grid_constant__ Args args) {
  if constexpr (QK_TRIGGER == AT_ONCE) allow_successor();

  const u32 lane = threadIdx.x % LANES;
  const u32 group = (blockIdx.x * QK_BLOCK + threadIdx.x) / LANES;
  const u32 slice = static_cast<u32>(static_cast<u64>(group) * args.multiplier >> args.shift);
  u32 listed = group - slice * args.heads;
  if constexpr (QK_TRIGGER == WHEN_DIVIDED) {
    pin(listed);
    allow_successor();
  }
  const Side& side = listed < args.q.heads ? args.q : args.k;
  const u32 head = listed < args.q.heads ? listed : listed - args.q.heads;

  // Groups past the last slice have no tokens, but stay for the shuffles of their warp.
  const u32 token = slice * ROWS;
  int left = slice < args.slices ? static_cast<int>(args.tokens - token) : 0;
  const int step = static_cast<int>(args.slices) * ROWS;
  const i64 x_stride = side.x_token_stride, y_stride = QK_IN_PLACE ? x_stride : side.y_token_stride;
  const u32 first = lane * CHUNK * bytes_of(QK_DTYPE);
  const char* x = side.x + token * x_stride + head * side.x_head_stride + first;
  const char* y = QK_IN_PLACE ? x : side.y + token * y_stride + head * side.y_head_stride + first;

  Affine affine;
  const i64 at = head * side.weight_head_stride + lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
  if constexpr (QK_WEIGHT) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.weight, side.weight + at, lane, true);
  if constexpr (QK_BIAS) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.bias, side.bias + at, lane, true);
  const float eps = side.eps;
  pin(x);
  if constexpr (!QK_IN_PLACE) pin(y);

  if constexpr (QK_PREFETCH) prefetch_rows(x, x_stride, left, lane);
  if constexpr (QK_TRIGGER == BEFORE_WAIT) allow_successor();
  wait_for_predecessor();
  Row rows[ROWS], next[ROWS];
  load_rows(QK_LOOP == 2 ? next : rows, x, x_stride, left, lane);
  if constexpr (QK_TRIGGER == WHEN_LOADED) allow_successor();
  for (u32 trip = QK_LOOP ? args.trips : 1; trip > 0; --trip) {
    x += step * x_stride;
    if constexpr (QK_LOOP == 2) {
      for (int r = 0; r < ROWS; ++r) rows[r] = next[r];
      if (trip > 1) load_rows(next, x, x_stride, left - step, lane);
    }
    normalize(rows, affine, eps, lane);
    store_rows(rows, const_cast<char*>(y), y_stride, left, lane);
    y += step * y_stride;
    left -= step;
    if (QK_LOOP == 1 && trip > 1) load_rows(rows, x, x_stride, left, lane);
  }
  if constexpr (QK_TRIGGER == AT_END) allow_successor();
}
