// Rows of x times the weight of an expert each: y [c] = w[e] * x [c / rows_of], c a choice, e its expert. With QK_GATED
// y = act(gate[e] * x) * (up[e] * x). A block takes a run of up to QK_TOKENS choices of one expert and a tile of rows of its
// weights; a warp has QK_ROWS rows at once, with QK_GATED half of them gates. The bits of a choice do not depend on the run.
//
// QK_X               0 f32, 1 bf16, 2 f16: x
// QK_W, QK_Y         of the weights, and of y
// QK_ROUND           the format that products, activation and weighed input are rounded to; 0: they stay in f32
// QK_TOKENS          choices of a run; 1: choice r is run r, its expert from `runs`
// QK_ROWS, QK_WARPS, QK_DEPTH   as in gemv.cu
// QK_X_ALIGN, QK_W_ALIGN, QK_TAIL   as in gemv.cu
// QK_GATED           0 or 1; QK_ACTIVATION of the gate, numbered like activation.cuh
// QK_EARLY           1: experts and weights are read before the wait; the kernel in front is one of these without it
// QK_WEIGH           1: x is multiplied by the choice's weight first; QK_WEIGHT_DTYPE

struct Args {
  const char* x;         // [*, K]
  const char* w;         // [E, N, K]: the gates, or the weights
  const char* up;        // [E, N, K]
  const char* weights;   // [choices]
  const int* runs;       // the expert of each run; -1: none
  const int* order;      // [runs, QK_TOKENS]: the choices of each; -1: none
  char* y;               // [choices, N]
  i64 x_stride, w_stride, w_expert, up_stride, up_expert, y_stride;  // bytes between rows, and between experts
  u32 chunks;            // ceil(K / 8)
  u32 outputs;           // N
  u32 rows_of;           // choices that share a row of x
  u32 experts;           // E
  Faults* faults;        // of experts from E up, which count as the last; with one choice of a run
};

constexpr int X_BYTES = CHUNK * bytes_of(QK_X), W_BYTES = CHUNK * bytes_of(QK_W);
constexpr int OUTPUTS = QK_GATED ? QK_ROWS / 2 : QK_ROWS;  // of a warp
constexpr int SUMS = QK_ROWS * QK_TOKENS;

DEVICE int filled(u32 c, u32 chunks) { return QK_TAIL && c == chunks - 1 ? QK_TAIL : CHUNK; }

DEVICE void fetch(const Args& args, const char* const (&rows)[QK_ROWS], u32 c, Chunk<QK_W> (&into)[QK_ROWS]) {
  if (c >= args.chunks) return;
#pragma unroll
  for (int r = 0; r < QK_ROWS; ++r) {
    into[r] = load_part<QK_W, QK_W_ALIGN>(rows[r] + static_cast<i64>(c) * W_BYTES, filled(c, args.chunks));
  }
}

// What an expert is given: x, or x times the weight in f32 or rounded.
constexpr int GIVEN = QK_WEIGH && QK_ROUND == F32 ? F32 : QK_X;

DEVICE Chunk<GIVEN> given(const Chunk<QK_X>& x, float weight) {
  Chunk<GIVEN> chunk;
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b;
    get_pair(x, pair, a, b);
    if constexpr (QK_WEIGH) a = __fmul_rn(a, weight), b = __fmul_rn(b, weight);
    set_pair(chunk, pair, a, b);
  }
  return chunk;
}

extern "C" __global__ void __launch_bounds__(32 * QK_WARPS) moe_gemv(const __grid_constant__ Args args) {
  __shared__ float sums[QK_WARPS][SUMS];
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, run = blockIdx.y;
  const u32 first = (blockIdx.x * QK_WARPS + warp) * OUTPUTS;
  // What is in front of a kernel that is there early has waited for the runs, and for the weights, before it let this one start.
  if constexpr (!QK_EARLY) wait_for_predecessor();
  allow_successor();
  int expert = args.runs[run];
  if (QK_TOKENS == 1 && static_cast<u32>(expert) >= args.experts) {
    if (first == 0 && lane == 0) tell_fault(args.faults, EXPERT, expert, args.experts, run);
    expert = static_cast<int>(args.experts) - 1;
  }
  if (expert < 0 || first >= args.outputs) return;
  int choices[QK_TOKENS];
#pragma unroll
  for (int token = 0; token < QK_TOKENS; ++token) {
    choices[token] = QK_TOKENS == 1 ? run : args.order[run * QK_TOKENS + token];
  }
  const char* rows[QK_ROWS];
#pragma unroll
  for (int r = 0; r < QK_ROWS; ++r) {
    const u32 output = min(first + r % OUTPUTS, args.outputs - 1);
    rows[r] = r < OUTPUTS ? args.w + expert * args.w_expert + output * args.w_stride
                          : args.up + expert * args.up_expert + output * args.up_stride;
  }
  Chunk<QK_W> w[QK_DEPTH][QK_ROWS];
#pragma unroll
  for (int d = 0; d < QK_DEPTH; ++d) fetch(args, rows, chunk_at<1>(d, 0, lane), w[d]);
  if constexpr (QK_EARLY) wait_for_predecessor();
  const char* x[QK_TOKENS];
  float weights[QK_TOKENS] = {};
#pragma unroll
  for (int token = 0; token < QK_TOKENS; ++token) {
    const u32 choice = choices[token] < 0 ? choices[0] : choices[token];
    x[token] = args.x + choice / args.rows_of * args.x_stride;
    if constexpr (QK_WEIGH) weights[token] = load_one<QK_WEIGHT_DTYPE>(args.weights, choice);
  }
  float sum[next_power(SUMS)] = {};  // [QK_ROWS, QK_TOKENS]
  const u32 steps = (args.chunks + 31) / 32;
  for (u32 step = 0; step < steps; step += QK_DEPTH) {
#pragma unroll
    for (int d = 0; d < QK_DEPTH; ++d) {
      const u32 c = chunk_at<1>(step + d, 0, lane);
      if (c < args.chunks) {
        Chunk<GIVEN> chunk[QK_TOKENS];
#pragma unroll
        for (int token = 0; token < QK_TOKENS; ++token) {
          chunk[token] = given(
              load_part<QK_X, QK_X_ALIGN>(x[token] + static_cast<i64>(c) * X_BYTES, filled(c, args.chunks)), weights[token]);
        }
        add_products(sum, w[d], chunk);
      }
      fetch(args, rows, chunk_at<1>(step + QK_DEPTH + d, 0, lane), w[d]);
    }
  }
  leave_sums<SUMS>(sum, sums[warp], lane);
  __syncwarp();
  for (u32 i = lane; i < OUTPUTS * QK_TOKENS; i += 32) {
    const u32 row = i % OUTPUTS, token = i / OUTPUTS;
    const int choice = QK_TOKENS == 1 ? run : args.order[run * QK_TOKENS + token];
    if (choice < 0 || first + row >= args.outputs) continue;
    float y = rounded<QK_ROUND>(sums[warp][row * QK_TOKENS + token]);
    if constexpr (QK_GATED) {
      const float up = rounded<QK_ROUND>(sums[warp][(OUTPUTS + row) * QK_TOKENS + token]);
      y = __fmul_rn(rounded<QK_ROUND>(activated<QK_ACTIVATION, QK_ROUND>(y)), up);
    }
    store_one<QK_Y>(args.y + choice * args.y_stride, first + row, y);
  }
}
