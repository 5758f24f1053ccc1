// The outputs of a token's experts, weighed and summed in f32 in the order of its choices: y [T, C] from outputs [T * K, C].
// A thread takes one chunk of y.
//
// QK_FROM            0 f32, 1 bf16, 2 f16: the outputs; QK_TO of y
// QK_WEIGH           1: an output is multiplied by its weight; QK_WEIGHT_DTYPE
// QK_ROUND           the format that a weighed output is rounded to; 0: it stays in f32
// QK_ALIGN           bytes that the addresses and strides of y are multiples of; those of the outputs are of 16
// QK_TAIL            elements of a row's last chunk, 1 to 7; 0: it is whole

struct Args {
  const char* outputs;
  const char* weights;         // [T, K]
  char* y;
  i64 output_stride, y_stride;  // bytes between rows
  u32 chunks, rows, choices;    // ceil(C / 8), T, K
};

extern "C" __global__ void __launch_bounds__(256) moe_join(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x, row = index / args.chunks, c = index % args.chunks;
  allow_successor();
  wait_for_predecessor();
  if (row >= args.rows) return;
  const int count = QK_TAIL && c == args.chunks - 1 ? QK_TAIL : CHUNK;
  float sum[CHUNK] = {};
  for (u32 k = 0; k < args.choices; ++k) {
    const u32 choice = row * args.choices + k;
    const float weight = QK_WEIGH ? load_one<QK_WEIGHT_DTYPE>(args.weights, choice) : 1.0f;
    const auto chunk = load_part<QK_FROM, 16>(
        args.outputs + choice * args.output_stride + static_cast<i64>(c) * CHUNK * bytes_of(QK_FROM), count);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(chunk, pair, a, b);
      if constexpr (QK_WEIGH) a = __fmul_rn(a, weight), b = __fmul_rn(b, weight);
      round_pair<QK_ROUND>(a, b);
      sum[2 * pair] = __fadd_rn(sum[2 * pair], a);
      sum[2 * pair + 1] = __fadd_rn(sum[2 * pair + 1], b);
    }
  }
  Chunk<QK_TO> y;
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) set_pair(y, pair, sum[2 * pair], sum[2 * pair + 1]);
  store_part<QK_TO, QK_ALIGN>(args.y + row * args.y_stride + static_cast<i64>(c) * CHUNK * bytes_of(QK_TO), y, count);
}
