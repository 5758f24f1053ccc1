// y = residual + act(norm(x) * w^T + bias) for few rows of x: a matrix-vector product whose cost is reading w once.
//
// A tile is what a block computes at once: its warps in groups of QK_SPLIT, each group QK_ROWS rows of w. The chunks of a
// row go round the lanes of its group, so that a warp reads 32 neighbouring chunks; each lane has QK_DEPTH chunks of each
// of its rows under way, and asks for the next one where it has used one up, past the end of a tile too. Blocks walk over
// the tiles. What one element of y depends on is its row of x, its row of w and QK_SPLIT alone, in one order of additions:
// neither the number of tokens nor the grid changes its bits.
//
// QK_X               0 f32, 1 bf16, 2 f16: x, residual and y
// QK_W               of w
// QK_TOKENS          rows of x that a block serves; blockIdx.y counts such runs
// QK_ROWS            rows of w that a warp has at once; with QK_SWIGLU the first half are gates, the second their ups
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
  u32 outputs;              // N, or I
  u32 tokens;               // M
  u32 tiles;
};

constexpr int X_BYTES = CHUNK * bytes_of(QK_X), W_BYTES = CHUNK * bytes_of(QK_W);
constexpr int GROUPS = QK_WARPS / QK_SPLIT;                    // of a block
constexpr int OUTPUTS = QK_SWIGLU ? QK_ROWS / 2 : QK_ROWS;     // of a group
constexpr int SUMS = QK_ROWS * QK_TOKENS;

// The elements of chunk c of a row.
DEVICE int filled(u32 c, u32 chunks) { return QK_TAIL && c == chunks - 1 ? QK_TAIL : CHUNK; }

// The rows of w that a group reads for a tile. Past the last output it is the last one once more.
DEVICE void find_rows(const Args& args, u32 tile, u32 group, const char* (&rows)[QK_ROWS]) {
  const u32 first = (tile * GROUPS + group) * OUTPUTS;
#pragma unroll
  for (int r = 0; r < QK_ROWS; ++r) {
    const u32 output = min(first + r % OUTPUTS, args.outputs - 1);
    rows[r] = args.w + (output + static_cast<i64>(r / OUTPUTS) * args.outputs) * args.w_stride;
  }
}

struct Weights {
  Chunk<QK_W> chunk[QK_DEPTH][QK_ROWS];
};

// One chunk of each row, where the row has it.
DEVICE void fetch(const Args& args, const char* const (&rows)[QK_ROWS], u32 c, Chunk<QK_W> (&into)[QK_ROWS]) {
  if (c >= args.chunks) return;
  const int count = filled(c, args.chunks);
#pragma unroll
  for (int r = 0; r < QK_ROWS; ++r) {
    into[r] = load_part<QK_W, QK_W_ALIGN>(rows[r] + static_cast<i64>(c) * W_BYTES, count);
  }
}

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
    Staged* to = staged + static_cast<i64>(token) * args.chunks;
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
  for (int token = 0; token < QK_TOKENS; ++token) {
    const char* x = row_of_x(args, token);
    Staged* to = staged + static_cast<i64>(token) * chunks;
    for (u32 thread = threadIdx.x; thread < threads; thread += 32 * QK_WARPS) {
      float sum = 0;
      for (u32 c = thread; c < chunks; c += threads) {
        const auto chunk =
            load_part<QK_X, QK_X_ALIGN>(x + static_cast<i64>(c) * X_BYTES, filled(c, chunks));
        to[c].chunk = chunk;
#pragma unroll
        for (int pair = 0; pair < CHUNK / 2; ++pair) {
          float a, b;
          get_pair(chunk, pair, a, b);
          sum = __fmaf_rn(b, b, __fmaf_rn(a, a, sum));
        }
      }
      sum = sum_warp(sum);
      if (lane == 0) of_warp[token][thread / 32] = sum;
    }
  }
  __syncthreads();
  for (int token = 0; token < QK_TOKENS; ++token) {
    float sum = lane < threads / 32 ? of_warp[token][lane] : 0;
    sum = threads == 32 ? of_warp[token][0] : sum_warp(sum);
    const float scale = scale_of<QK_X, QK_NORM_KIND>(sum, args.inverse_length, args.eps);
    Staged* to = staged + static_cast<i64>(token) * chunks;
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

// The element of y that a thread has of a tile; at most one.
struct Place {
  u32 group, output, token;
  int row, in_run;
  bool exists;
};

DEVICE Place place_in(const Args& args, u32 tile) {
  const u32 of_tile = threadIdx.x % (GROUPS * OUTPUTS);
  Place at;
  at.group = of_tile / OUTPUTS, at.row = of_tile % OUTPUTS, at.in_run = threadIdx.x / (GROUPS * OUTPUTS);
  at.output = tile * GROUPS * OUTPUTS + of_tile, at.token = blockIdx.y * QK_TOKENS + at.in_run;
  at.exists = at.in_run < QK_TOKENS && at.output < args.outputs && at.token < args.tokens;
  return at;
}

// What is added to it, asked for long before it is needed.
DEVICE float residual_at(const Args& args, u32 tile) {
  const Place at = place_in(args, tile);
  return QK_RESIDUAL && at.exists ? load_one<QK_X>(args.residual + at.token * args.residual_stride, at.output) : 0.0f;
}

// What a block has of y, from the sums of its warps.
DEVICE void finish(const Args& args, u32 tile, const float* sums, float residual) {
  const Place at = place_in(args, tile);
  if (!at.exists) return;
  float y = product(args, sums, at.group, at.row, at.in_run, at.output);
  if constexpr (QK_SWIGLU) {
    const float up = product(args, sums, at.group, OUTPUTS + at.row, at.in_run, args.outputs + at.output);
    y = silu(y);
    if constexpr (QK_HF) y = rounded<QK_X>(y);
    y = __fmul_rn(y, up);
    if constexpr (QK_RESIDUAL) y = rounded<QK_X>(y);
  }
  if constexpr (QK_RESIDUAL) y = __fadd_rn(residual, y);
  store_one<QK_X>(args.y + at.token * args.y_stride, at.output, y);
}
static_assert(GROUPS * OUTPUTS * QK_TOKENS <= 32 * QK_WARPS, "a thread has one element of a tile at most");

extern "C" __global__ void __launch_bounds__(32 * QK_WARPS) gemv(const __grid_constant__ Args args) {
  Staged* const staged = reinterpret_cast<Staged*>(dynamic_shared());
  __shared__ float sums[2][QK_WARPS * SUMS];
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = warp / QK_SPLIT, part = warp % QK_SPLIT;
  const u32 steps = (args.chunks + 32 * QK_SPLIT - 1) / (32 * QK_SPLIT);
  const char* rows[QK_ROWS];
  Weights weights;
  find_rows(args, blockIdx.x, group, rows);
  allow_successor();
  if constexpr (!QK_SETTLED) wait_for_predecessor();
#pragma unroll
  for (int d = 0; d < QK_DEPTH; ++d) fetch(args, rows, chunk_at<QK_SPLIT>(d, part, lane), weights.chunk[d]);
#if QK_NORM
  Gain* const gains = reinterpret_cast<Gain*>(staged + QK_TOKENS * args.chunks);
  if constexpr (QK_NORM_WEIGHT) stage_gains(args, gains);
#endif
  if constexpr (QK_SETTLED) wait_for_predecessor();
  float residual = residual_at(args, blockIdx.x);
#if QK_NORM
  stage_norm(args, staged, gains);
#else
  if constexpr (QK_STAGE) stage(args, staged);
#endif
  if constexpr (QK_STAGE) __syncthreads();

  float sum[next_power(SUMS)] = {};  // [QK_ROWS, QK_TOKENS]
  u32 buffer = 0;
  for (u32 tile = blockIdx.x, first = 0; tile < args.tiles;) {
    const bool ends = first + QK_DEPTH >= steps;
    const u32 next = ends ? 0 : first + QK_DEPTH, next_tile = ends ? tile + gridDim.x : tile;
    const bool more = next_tile < args.tiles;
    if (ends && more) find_rows(args, next_tile, group, rows);
#pragma unroll
    for (int d = 0; d < QK_DEPTH; ++d) {
      const u32 c = chunk_at<QK_SPLIT>(first + d, part, lane);
      if (c < args.chunks) {
        Chunk<QK_X> x[QK_TOKENS];
#pragma unroll
        for (int token = 0; token < QK_TOKENS; ++token) {
          if constexpr (QK_STAGE) {
            x[token] = staged[token * args.chunks + c].chunk;
          } else {
            x[token] = load_part<QK_X, QK_X_ALIGN>(row_of_x(args, token) + static_cast<i64>(c) * X_BYTES,
                                                   filled(c, args.chunks));
          }
        }
        add_products(sum, weights.chunk[d], x);
      }
      if (more) fetch(args, rows, chunk_at<QK_SPLIT>(next + d, part, lane), weights.chunk[d]);
    }
    if (ends) {
      leave_sums<SUMS>(sum, sums[buffer] + warp * SUMS, lane);
      __syncthreads();
      finish(args, tile, sums[buffer], residual);
      if (more) residual = residual_at(args, next_tile);
      buffer ^= 1;
#pragma unroll
      for (float& s : sum) s = 0;
    }
    tile = next_tile, first = next;
  }
}
