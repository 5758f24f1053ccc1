// SwiGLU's product, y = silu(gate) * up, silu(x) = x / (1 + exp(-x)): Shazeer (2020), equation 6. Gate and up are the
// halves of one row, as one projection leaves them. A thread takes one chunk of 8 elements of y.
//
// QK_DTYPE   0 f32, 1 bf16, 2 f16: the inputs and y
// QK_HF      1: silu(gate) is rounded to the format before the product
// QK_ALIGN   bytes that the addresses and strides are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_TAIL    elements of a row's last chunk, 1 to 7; 0: it is whole

struct Args {
  const char* gate;
  const char* up;
  char* y;
  i64 x_stride, y_stride;   // bytes between rows
  u32 chunks, rows;         // ceil(width / 8)
};

DEVICE float silu(float x) { return __fdividef(x, 1.0f + __expf(-x)); }

extern "C" __global__ void __launch_bounds__(256) silu_mul(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 row = index / args.chunks, c = index % args.chunks;
  allow_successor();
  wait_for_predecessor();
  if (row >= args.rows) return;
  const i64 in_row = static_cast<i64>(c) * CHUNK * bytes_of(QK_DTYPE);
  const i64 from = row * args.x_stride + in_row;
  const int count = QK_TAIL && c == args.chunks - 1 ? QK_TAIL : CHUNK;
  const auto gate = load_part<QK_DTYPE, QK_ALIGN>(args.gate + from, count);
  const auto up = load_part<QK_DTYPE, QK_ALIGN>(args.up + from, count);
  Chunk<QK_DTYPE> y;
#pragma unroll
  for (int pair = 0; pair < CHUNK / 2; ++pair) {
    float a, b, first, second;
    get_pair(gate, pair, a, b);
    get_pair(up, pair, first, second);
    a = silu(a), b = silu(b);
    if constexpr (QK_HF) round_pair<QK_DTYPE>(a, b);
    set_pair(y, pair, __fmul_rn(a, first), __fmul_rn(b, second));
  }
  store_part<QK_DTYPE, QK_ALIGN>(args.y + row * args.y_stride + in_row, y, count);
}
