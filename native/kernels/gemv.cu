// y = residual + act(norm(x) * w^T + bias) for few rows of x: a matrix-vector product whose cost is reading w once.
//
// A tile is what a block computes at once: its warps in groups of QK_SPLIT, each group QK_ROWS rows of w. The chunks of a
// row go round the LANES lanes that read it, in each warp of its group in turn; each lane has QK_DEPTH chunks of each of its
// rows under way, and asks for the next one where it has used one up, past the end of a tile too. Blocks walk over the tiles.
// With QK_TENSOR a warp multiplies 8 rows of w at a time by up to 16 rows of x on the tensor cores, and 4 lanes read a row;
// else all 32 do, and multiply one by one. What one element of y depends on is its row of x, its row of w, QK_TENSOR and
// QK_SPLIT alone, in one order of additions: neither the number of tokens nor the grid changes its bits.
//
// QK_TENSOR          1: x and w are of one 16-bit format, QK_ROWS is a multiple of 8
// QK_X               0 f32, 1 bf16, 2 f16: x, residual and y
// QK_W               of w
// QK_TOKENS          rows of x that a block serves, 16 at most; blockIdx.y counts such runs
// QK_ROWS            rows of w that a group has at once; with QK_SWIGLU the first half are gates, the second their ups
// QK_SPLIT           warps that share a row
// QK_WARPS           of a block, a multiple of QK_SPLIT
// QK_DEPTH           chunks of a row that a lane has under way
// QK_X_ALIGN         bytes that x's address and stride are multiples of; QK_W_ALIGN of w's
// QK_TAIL            elements of a row's last chunk, 1 to 7; 0: it is whole
// QK_SETTLED         1: nothing that may still run writes w or the norm's weight: they are read before the wait
// QK_STAGE           1: x is brought to shared memory once; 0: each use reads it through the L1
// QK_NORM            1: x is normalised first, as row_norm.cu does it, bit for bit; needs QK_STAGE
// QK_NORM_KIND       0 rms, 2 l2, 3 unit; QK_NORM_WEIGHT 0 or 1, QK_NORM_DTYPE its dtype, QK_NORM_OFFSET 0 or 1,
// QK_NORM_HF         1: rounded before the weight
// QK_BIAS            0 or 1; QK_BIAS_DTYPE its dtype
// QK_SWIGLU          1: y [M, I] = silu(gate) * up of w [2I, K], gates first; QK_HF: silu(gate) is rounded
// QK_RESIDUAL        1: added to the rounded product, and rounded

struct Args {
  const char* x;            // [M, K]
  const char* w;            // [N, K], or [2I, K]
  const char* norm_weight;  // [K]
  const char* bias;         // [N], or [2I]
  const char* residual;     // [M, N], or [M, I]
  char* y;                  // the same
  i64 x_stride, w_stride, residual_stride, y_stride;  // bytes between rows
  float eps;
  float inverse_length;     // 1 / K
  u32 chunks;               // ceil(K / 8)
  u32 staged_row;           // chunks between rows of x in shared memory
  u32 outputs;              // N, or I
  u32 tokens;               // M
  u32 tiles;
};

constexpr int X_BYTES = CHUNK * bytes_of(QK_X), W_BYTES = CHUNK * bytes_of(QK_W);
constexpr int GROUPS = QK_WARPS / QK_SPLIT;                    // of a block
constexpr int OUTPUTS = QK_SWIGLU ? QK_ROWS / 2 : QK_ROWS;     // of a group
constexpr int SUMS = QK_ROWS * QK_TOKENS;
constexpr int LANES = QK_TENSOR ? 4 : 32;                      // that read a row
constexpr int LANE_ROWS = QK_ROWS / (32 / LANES);              // that a lane reads
constexpr int ELEMENTS = (GROUPS * OUTPUTS * QK_TOKENS + 32 * QK_WARPS - 1) / (32 * QK_WARPS);  // of y, of a thread

// The elements of chunk c of a row.
DEVICE int filled(u32 c, u32 chunks) { return QK_TAIL && c == chunks - 1 ? QK_TAIL : CHUNK; }

// The rows of w that a lane reads for a tile. Past the last output it is the last one once more.
DEVICE void find_rows(const Args& args, u32 tile, u32 group, u32 lane, const char* (&rows)[LANE_ROWS]) {
  const u32 first = (tile * GROUPS + group) * OUTPUTS;
#pragma unroll
  for (int i = 0; i < LANE_ROWS; ++i) {
    const u32 row = i * (32 / LANES) + lane / LANES;
    const u32 output = min(first + row % OUTPUTS, args.outputs - 1);
    rows[i] = args.w + (output + static_cast<i64>(row / OUTPUTS) * args.outputs) * args.w_stride;
  }
}

struct Weights {
  Chunk<QK_W> chunk[QK_DEPTH][LANE_ROWS];
};

// One chunk of each row; zeros past its end, where the tensor cores go on.
DEVICE void fetch(const Args& args, const char* const (&rows)[LANE_ROWS], u32 c, Chunk<QK_W> (&into)[LANE_ROWS]) {
  if (c >= args.chunks) {
    if constexpr (QK_TENSOR) {
      for (auto& chunk : into) chunk = {};
    }
    return;
  }
  const int count = filled(c, args.chunks);
#pragma unroll
  for (int i = 0; i < LANE_ROWS; ++i) {
    into[i] = load_part<QK_W, QK_W_ALIGN>(rows[i] + static_cast<i64>(c) * W_BYTES, count);
  }
}

// The chunk of a row that a lane reads at its step-th step.
DEVICE u32 chunk_of(u32 step, u32 part, u32 lane) { return (step * QK_SPLIT + part) * LANES + lane % LANES; }

// A chunk of x in shared memory, which is moved 16 bytes at a time.
struct alignas(16) Staged {
  Chunk<QK_X> chunk;
};

DEVICE const char* row_of_x(const Args& args, int token) {
  return args.x + min(blockIdx.y * QK_TOKENS + token, args.tokens - 1) * args.x_stride;
}

// x as it is, into shared memory.
DEVICE void stage(const Args& args, Staged* staged) {
  for (int token = 0; token < QK_TOKENS; ++token) {
    const char* x = row_of_x(args, token);
    Staged* to = staged + token * args.staged_row;
    for (u32 c = threadIdx.x; c < args.chunks; c += 32 * QK_WARPS) {
      to[c].chunk =
          load_part<QK_X, QK_X_ALIGN>(x + static_cast<i64>(c) * X_BYTES, filled(c, args.chunks));
    }
  }
}

#if QK_NORM
// The threads of row_norm.cu for a row of so many chunks; here a thread stands for several of them in turn.
DEVICE u32 norm_threads(u32 chunks) { return min((chunks + 31) / 32 * 32, 1024u); }

DEVICE float sum_warp(float sum) {
  for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  return sum;
}

// A chunk of the norm's weight in shared memory.
struct alignas(16) Gain {
  Chunk<QK_NORM_DTYPE> chunk;
};

// Each thread brings the weights of the chunks that it will normalise.
DEVICE void stage_gains(const Args& args, Gain* gains) {
  const u32 threads = norm_threads(args.chunks);
  for (u32 thread = threadIdx.x; thread < threads; thread += 32 * QK_WARPS) {
    for (u32 c = thread; c < args.chunks; c += threads) {
      gains[c].chunk = load_part<QK_NORM_DTYPE, QK_NORM_ALIGN>(
          args.norm_weight + static_cast<i64>(c) * CHUNK * bytes_of(QK_NORM_DTYPE), filled(c, args.chunks));
    }
  }
}

// norm(x) into shared memory.
DEVICE void stage_norm(const Args& args, Staged* staged, const Gain* gains) {
  __shared__ float of_warp[QK_TOKENS][32];
  const u32 lane = threadIdx.x % 32, threads = norm_threads(args.chunks), chunks = args.chunks;
  for (u32 thread = threadIdx.x; thread < threads; thread += 32 * QK_WARPS) {
    float sums[QK_TOKENS] = {};
    for (u32 c = thread; c < chunks; c += threads) {
      Chunk<QK_X> chunk[QK_TOKENS];  // all are asked for before the first is used
#pragma unroll
      for (int token = 0; token < QK_TOKENS; ++token) {
        chunk[token] = load_part<QK_X, QK_X_ALIGN>(row_of_x(args, token) + static_cast<i64>(c) * X_BYTES, filled(c, chunks));
      }
#pragma unroll
      for (int token = 0; token < QK_TOKENS; ++token) {
        staged[token * args.staged_row + c].chunk = chunk[token];
#pragma unroll
        for (int pair = 0; pair < CHUNK / 2; ++pair) {
          float a, b;
          get_pair(chunk[token], pair, a, b);
          sums[token] = __fmaf_rn(b, b, __fmaf_rn(a, a, sums[token]));
        }
      }
    }
#pragma unroll
    for (int token = 0; token < QK_TOKENS; ++token) {
      const float sum = sum_warp(sums[token]);
      if (lane == 0) of_warp[token][thread / 32] = sum;
    }
  }
  __syncthreads();
  for (int token = 0; token < QK_TOKENS; ++token) {
    float sum = lane < threads / 32 ? of_warp[token][lane] : 0;
    sum = threads == 32 ? of_warp[token][0] : sum_warp(sum);
    const float scale = scale_of<QK_X, QK_NORM_KIND>(sum, args.inverse_length, args.eps);
    Staged* to = staged + token * args.staged_row;
    for (u32 thread = threadIdx.x; thread < threads; thread += 32 * QK_WARPS) {
      for (u32 c = thread; c < chunks; c += threads) {
        auto chunk = to[c].chunk;
        Chunk<QK_NORM_DTYPE> gain;
        if constexpr (QK_NORM_WEIGHT) gain = gains[c].chunk;
#pragma unroll
        for (int pair = 0; pair < CHUNK / 2; ++pair) {
          float a, b, first, second;
          get_pair(chunk, pair, a, b);
          a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
          if constexpr (QK_NORM_HF) round_pair<QK_X>(a, b);
          if constexpr (QK_NORM_WEIGHT) {
            get_pair(gain, pair, first, second);
            a = QK_NORM_OFFSET ? __fmaf_rn(a, first, a) : __fmul_rn(a, first);
            b = QK_NORM_OFFSET ? __fmaf_rn(b, second, b) : __fmul_rn(b, second);
          }
          set_pair(chunk, pair, a, b);
        }
        to[c].chunk = chunk;
      }
    }
  }
}
#endif

// One element of the product with w, rounded as a tensor of it would be.
DEVICE float product(const Args& args, const float* sums, u32 group, int row, int token, u32 w_row) {
  float sum = sums[(group * QK_SPLIT * QK_ROWS + row) * QK_TOKENS + token];
#pragma unroll
  for (int part = 1; part < QK_SPLIT; ++part) {
    sum = __fadd_rn(sum, sums[((group * QK_SPLIT + part) * QK_ROWS + row) * QK_TOKENS + token]);
  }
  if constexpr (QK_BIAS) sum = __fadd_rn(sum, load_one<QK_BIAS_DTYPE>(args.bias, w_row));
  return rounded<QK_X>(sum);
}

// An element of y.
struct Place {
  u32 group, output, token;
  int row, in_run;
  bool exists;
};

// The i-th that a thread has of a tile.
DEVICE Place place_in(const Args& args, u32 tile, int i) {
  const u32 index = threadIdx.x + i * 32 * QK_WARPS, of_tile = index % (GROUPS * OUTPUTS);
  Place at;
  at.group = of_tile / OUTPUTS, at.row = of_tile % OUTPUTS, at.in_run = index / (GROUPS * OUTPUTS);
  at.output = tile * GROUPS * OUTPUTS + of_tile, at.token = blockIdx.y * QK_TOKENS + at.in_run;
  at.exists = at.in_run < QK_TOKENS && at.output < args.outputs && at.token < args.tokens;
  return at;
}

// What is added to a thread's elements, asked for long before it is needed.
DEVICE void find_residuals(const Args& args, u32 tile, float (&residuals)[ELEMENTS]) {
#pragma unroll
  for (int i = 0; i < ELEMENTS; ++i) {
    const Place at = place_in(args, tile, i);
    if constexpr (QK_RESIDUAL) {
      if (at.exists) residuals[i] = load_one<QK_X>(args.residual + at.token * args.residual_stride, at.output);
    }
  }
}

// What a block has of y, from the sums of its warps.
DEVICE void finish(const Args& args, u32 tile, const float* sums, const float (&residuals)[ELEMENTS]) {
#pragma unroll
  for (int i = 0; i < ELEMENTS; ++i) {
    const Place at = place_in(args, tile, i);
    if (!at.exists) continue;
    float y = product(args, sums, at.group, at.row, at.in_run, at.output);
    if constexpr (QK_SWIGLU) {
      const float up = product(args, sums, at.group, OUTPUTS + at.row, at.in_run, args.outputs + at.output);
      y = silu(y);
      if constexpr (QK_HF) y = rounded<QK_X>(y);
      y = __fmul_rn(y, up);
      if constexpr (QK_RESIDUAL) y = rounded<QK_X>(y);
    }
    if constexpr (QK_RESIDUAL) y = __fadd_rn(residuals[i], y);
    store_one<QK_X>(args.y + at.token * args.y_stride, at.output, y);
  }
}

// Chunk c of a row of x, normalised where it is staged.
DEVICE Chunk<QK_X> chunk_of_x(const Args& args, const Staged* staged, int token, u32 c) {
  if constexpr (QK_STAGE) return staged[token * args.staged_row + c].chunk;
  else return load_part<QK_X, QK_X_ALIGN>(row_of_x(args, token) + static_cast<i64>(c) * X_BYTES, filled(c, args.chunks));
}

#if QK_TENSOR
// The sums of a warp: c of LANE_ROWS products [16 tokens, 8 rows] (tensor_core.cuh). An element's place among the 16 of a
// product is free, if x and w agree: a lane's words of one chunk are the second half of two products, in order.
struct Sums {
  float of[LANE_ROWS][4];

  __device__ __forceinline__ void clear() {
    for (auto& c : of) c[0] = c[1] = c[2] = c[3] = 0;
  }

  __device__ __forceinline__ void add(const Args& args, const Staged* staged, u32 c, u32 lane, const Chunk<QK_W> (&w)[LANE_ROWS]) {
    Chunk<QK_X> low{}, high{};  // of tokens lane / 4 and lane / 4 + 8
    const int token = lane / 4;
    if (c < args.chunks && token < QK_TOKENS) low = chunk_of_x(args, staged, token, c);
    if constexpr (QK_TOKENS > 8) {
      if (c < args.chunks && token + 8 < QK_TOKENS) high = chunk_of_x(args, staged, token + 8, c);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const u32 a[4] = {low.word[2 * half], high.word[2 * half], low.word[2 * half + 1], high.word[2 * half + 1]};
#pragma unroll
      for (int i = 0; i < LANE_ROWS; ++i) {
        const u32 b[2] = {w[i].word[2 * half], w[i].word[2 * half + 1]};
        multiply_16x8x16<QK_X>(of[i], a, b);
      }
    }
  }

  // To shared memory [QK_ROWS, QK_TOKENS].
  __device__ __forceinline__ void leave(float* shared, u32 lane) const {
    const int token = lane / 4, row = 2 * (lane % 4);
#pragma unroll
    for (int i = 0; i < LANE_ROWS; ++i) {
      for (int j = 0; j < 4; ++j) {
        const int of_token = token + (j < 2 ? 0 : 8);
        if (of_token < QK_TOKENS) shared[(8 * i + row + j % 2) * QK_TOKENS + of_token] = of[i][j];
      }
    }
  }
};
#else
// The sums of a lane [QK_ROWS, QK_TOKENS].
struct Sums {
  float of[next_power(SUMS)];

  __device__ __forceinline__ void clear() {
    for (float& sum : of) sum = 0;
  }

  __device__ __forceinline__ void add(const Args& args, const Staged* staged, u32 c, u32, const Chunk<QK_W> (&w)[LANE_ROWS]) {
    if (c >= args.chunks) return;
    Chunk<QK_X> x[QK_TOKENS];
#pragma unroll
    for (int token = 0; token < QK_TOKENS; ++token) x[token] = chunk_of_x(args, staged, token, c);
    add_products(of, w, x);
  }

  __device__ __forceinline__ void leave(float* shared, u32 lane) { leave_sums<SUMS>(of, shared, lane); }
};
#endif

extern "C" __global__ void __launch_bounds__(32 * QK_WARPS) gemv(const __grid_constant__ Args args) {
  Staged* const staged = reinterpret_cast<Staged*>(dynamic_shared());
  __shared__ float sums[2][QK_WARPS * SUMS];
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = warp / QK_SPLIT, part = warp % QK_SPLIT;
  const u32 steps = (args.chunks + LANES * QK_SPLIT - 1) / (LANES * QK_SPLIT);
  const char* rows[LANE_ROWS];
  Weights weights;
  find_rows(args, blockIdx.x, group, lane, rows);
  allow_successor();
  if constexpr (!QK_SETTLED) wait_for_predecessor();
#pragma unroll
  for (int d = 0; d < QK_DEPTH; ++d) fetch(args, rows, chunk_of(d, part, lane), weights.chunk[d]);
#if QK_NORM
  Gain* const gains = reinterpret_cast<Gain*>(staged + QK_TOKENS * args.staged_row);
  if constexpr (QK_NORM_WEIGHT) stage_gains(args, gains);
#endif
  if constexpr (QK_SETTLED) wait_for_predecessor();
  float residuals[ELEMENTS] = {};
  find_residuals(args, blockIdx.x, residuals);
#if QK_NORM
  stage_norm(args, staged, gains);
#else
  if constexpr (QK_STAGE) stage(args, staged);
#endif
  if constexpr (QK_STAGE) __syncthreads();

  Sums sum;
  sum.clear();
  u32 buffer = 0;
  for (u32 tile = blockIdx.x, first = 0; tile < args.tiles;) {
    const bool ends = first + QK_DEPTH >= steps;
    const u32 next = ends ? 0 : first + QK_DEPTH, next_tile = ends ? tile + gridDim.x : tile;
    const bool more = next_tile < args.tiles;
    if (ends && more) find_rows(args, next_tile, group, lane, rows);
#pragma unroll
    for (int d = 0; d < QK_DEPTH; ++d) {
      if (first + d < steps) sum.add(args, staged, chunk_of(first + d, part, lane), lane, weights.chunk[d]);
      if (more) fetch(args, rows, chunk_of(next + d, part, lane), weights.chunk[d]);
    }
    if (ends) {
      sum.leave(sums[buffer] + warp * SUMS, lane);
      __syncthreads();
      finish(args, tile, sums[buffer], residuals);
      if (more) find_residuals(args, next_tile, residuals);
      buffer ^= 1;
      sum.clear();
    }
    tile = next_tile, first = next;
  }
}
