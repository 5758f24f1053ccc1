// Rows of QK_HEAD_DIM elements, each held by QK_LANES neighbouring lanes of a warp, QK_ROWS of them at once: loads and stores,
// sums, and the norm. What qk_norm.cu and qk_norm_rope.cu share; the first names the macros.
//
// A row's sums are added in one tree over its chunks of 8, fixed by the head dim. LANES only decides which branches of
// that tree are local and which are shuffles.

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

// ROWS rows that lie `stride` bytes apart, of which `left` exist; zeros stand for the others.
DEVICE void load_rows(Row (&rows)[ROWS], const char* first, i64 stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    load_held<QK_DTYPE, QK_ALIGN>(rows[r].chunk, first + r * stride, lane, r < left);
  }
}

DEVICE void store_rows(const Row (&rows)[ROWS], char* first, i64 stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (r < left && holds(lane, j)) {
        store_chunk<QK_DTYPE, QK_ALIGN>(first + r * stride + j * LANES * CHUNK * bytes_of(QK_DTYPE),
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

// The sums that a norm of the rows needs. Every lane of the warp comes here.
DEVICE void measure(const Row (&rows)[ROWS], float (&mean)[ROWS], float (&sum)[ROWS], u32 lane) {
  if constexpr (QK_KIND == LAYER) {
    row_sums<false>(rows, mean, mean, lane);
    for (float& m : mean) m = __fmul_rn(m, 1.0f / QK_HEAD_DIM);
  }
  row_sums<true>(rows, mean, sum, lane);
}

DEVICE void normalize_measured(Row (&rows)[ROWS], const float (&mean)[ROWS], const float (&sum)[ROWS],
                               const Affine& affine, float eps) {
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

DEVICE void normalize(Row (&rows)[ROWS], const Affine& affine, float eps, u32 lane) {
  float mean[ROWS], sum[ROWS];
  measure(rows, mean, sum, lane);
  normalize_measured(rows, mean, sum, affine, eps);
}

// Asks for the lines of the first rows, without waiting for them.
DEVICE void prefetch_rows(const char* first, i64 stride, int left, u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      const char* chunk = first + r * stride + j * LANES * CHUNK * bytes_of(QK_DTYPE);
      if (r < left && holds(lane, j)) prefetch_line(chunk);
    }
  }
}
