// Causal depthwise convolution of one sequence: with z = [state, x], L - 1 rows of state before those of x,
//   y[t, c] = bias[c] + sum over j < L of weight[c, j] * z[t + j, c],
// and in a launch of its own behind it, state = the last L - 1 rows of z. A thread takes one channel: of one token, or of
// the whole state.
//
// QK_DTYPE          0 f32, 1 bf16, 2 f16: x, state and y
// QK_WEIGHT_DTYPE   the same: the weights
// QK_BIAS           0 or 1
// QK_BIAS_DTYPE     the same
// QK_TAPS           L
// QK_MOVE           0: y; 1: the state

struct Args {
  const char* x;
  const char* weight;           // [C, L]
  const char* bias;             // [C]
  char* state;                  // [L - 1, C]
  char* y;                      // [T, C]
  i64 stride;                   // bytes between rows of x
  u32 tokens, channels;
};

// Row `index` of z.
DEVICE float row_at(const Args& args, u32 index, u32 channel) {
  if (index < QK_TAPS - 1) return element<QK_DTYPE>(args.state, static_cast<u64>(index) * args.channels + channel);
  return element<QK_DTYPE>(args.x + static_cast<i64>(index - (QK_TAPS - 1)) * args.stride, channel);
}

extern "C" __global__ void __launch_bounds__(256) causal_conv(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 channel = index % args.channels, token = index / args.channels;
  allow_successor();
  wait_for_predecessor();
  if constexpr (QK_MOVE) {
    if (token > 0) return;
    // In order: row j takes row tokens + j, which is never an earlier one.
    for (u32 j = 0; j < QK_TAPS - 1; ++j) {
      put_element<QK_DTYPE>(args.state, static_cast<u64>(j) * args.channels + channel, row_at(args, args.tokens + j, channel));
    }
  } else {
    if (token >= args.tokens) return;
    float sum = QK_BIAS ? element<QK_BIAS_DTYPE>(args.bias, channel) : 0;
#pragma unroll
    for (u32 j = 0; j < QK_TAPS; ++j) {
      const float weight = element<QK_WEIGHT_DTYPE>(args.weight, static_cast<u64>(channel) * QK_TAPS + j);
      sum = __fmaf_rn(weight, row_at(args, token + j, channel), sum);
    }
    put_element<QK_DTYPE>(args.y, static_cast<u64>(token) * args.channels + channel, sum);
  }
}
