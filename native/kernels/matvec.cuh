// What products of a matrix with few rows share: the chunks of a row go round the lanes of a warp, each lane adds up its own
// in order, and the lanes' sums are joined by one tree.

DEVICE constexpr int next_power(int n) { return n <= 1 ? 1 : 2 * next_power((n + 1) / 2); }

// Sums N values over the lanes of a warp, each by the same tree; lane i * (32 / N) ends up with value i in v[0].
template <int N>
DEVICE void sum_lanes(float* v, u32 lane, int half) {
  if constexpr (N > 1) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i) {
      const bool upper = lane & half;
      const float mine = upper ? v[i + N / 2] : v[i], theirs = upper ? v[i] : v[i + N / 2];
      v[i] = __fadd_rn(mine, __shfl_xor_sync(0xffffffffu, theirs, half));
    }
    sum_lanes<N / 2>(v, lane, half / 2);
  } else {
    for (; half > 0; half /= 2) v[0] = __fadd_rn(v[0], __shfl_xor_sync(0xffffffffu, v[0], half));
  }
}

// The chunk of a row that a lane reads at its step-th step, where SPLIT warps share the row and this is the part-th.
template <int SPLIT>
DEVICE u32 chunk_at(u32 step, u32 part, u32 lane) { return (step * SPLIT + part) * 32 + lane; }

// Adds the products of a chunk of each of ROWS rows of w with a chunk of each of TOKENS rows of x to sum [ROWS, TOKENS].
template <int W, int X, int ROWS, int TOKENS>
DEVICE void add_products(float* sum, const Chunk<W> (&w)[ROWS], const Chunk<X> (&x)[TOKENS]) {
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      float w0, w1;
      get_pair(w[r], pair, w0, w1);
#pragma unroll
      for (int token = 0; token < TOKENS; ++token) {
        float x0, x1, &s = sum[r * TOKENS + token];
        get_pair(x[token], pair, x0, x1);
        s = __fmaf_rn(w1, x1, __fmaf_rn(w0, x0, s));
      }
    }
  }
}

// Leaves the sums of SUMS values over the lanes of a warp in shared memory.
template <int SUMS>
DEVICE void leave_sums(float* sum, float* shared, u32 lane) {
  constexpr int N = next_power(SUMS), STEP = 32 / N;
  sum_lanes<N>(sum, lane, 16);
  if (lane % STEP == 0 && lane / STEP < SUMS) shared[lane / STEP] = sum[0];
}

// x / (1 + exp(-x))
DEVICE float silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }

// Element `index` of a row.
template <int DTYPE>
DEVICE float load_one(const char* row, i64 index) {
  float value, none;
  const auto c = load_part<DTYPE, bytes_of(DTYPE)>(row + index * bytes_of(DTYPE), 1);
  get_pair(c, 0, value, none);
  return value;
}

template <int DTYPE>
DEVICE void store_one(char* row, i64 index, float value) {
  Chunk<DTYPE> c;
  set_pair(c, 0, value, 0.0f);
  store_part<DTYPE, bytes_of(DTYPE)>(row + index * bytes_of(DTYPE), c, 1);
}

// A value as the format holds it.
template <int DTYPE>
DEVICE float rounded(float value) {
  float none = 0;
  round_pair<DTYPE>(value, none);
  return value;
}
