// Rotary position embedding in place (Su et al. 2021): of the first 2R values of each head, a pair (a, b) turns into
// (a cos - b sin, b cos + a sin) by the angle that a table has for the token's position. In halves a pair is (i, i + R),
// interleaved (2i, 2i + 1). A thread turns 8 pairs in halves, 4 interleaved.
//
// With one rounding f32 goes through double, where products are exact; a 16-bit format does not need it.
//
// The next kernel may start once this one's wait is over, not before: in a decode step kernels that all let their successors
// start at once would bring the weights of products to come while the product in front still reads its own.
//
// QK_DTYPE        0 f32, 1 bf16, 2 f16: x
// QK_INTERLEAVED  0 or 1
// QK_HF           1: the table, each product and their sum are rounded to the format, as transformers does
// QK_ALIGN        bytes that the address, the strides, and in halves R elements are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_TABLE_ALIGN  the same for the tables and their rows, at least 4
// QK_TAIL         pairs of the last piece of a head, 0: it is whole

struct Args {
  char* x;
  const char* cos;              // f32 [P, R], dense
  const char* sin;
  const int* positions;         // [tokens]
  i64 token_stride, head_stride;   // bytes
  u32 tokens, heads, half, pieces;   // R, and ceil(R / pairs)
  u32 places;                   // P
  Faults* faults;               // of positions that are not below it, which take the last row
};

constexpr int PAIRS = QK_INTERLEAVED ? CHUNK / 2 : CHUNK;

DEVICE void turn(float& a, float& b, float c, float s) {
  const float first = a, second = b;
  if constexpr (QK_HF) {
    round_pair<QK_DTYPE>(c, s);
    float ac = __fmul_rn(first, c), bs = __fmul_rn(second, s), bc = __fmul_rn(second, c), as = __fmul_rn(first, s);
    round_pair<QK_DTYPE>(ac, bs);
    round_pair<QK_DTYPE>(bc, as);
    a = __fsub_rn(ac, bs), b = __fadd_rn(bc, as);
  } else if constexpr (QK_DTYPE == F32) {
    const double wide_c = c, wide_s = s;
    a = static_cast<float>(first * wide_c - second * wide_s);
    b = static_cast<float>(second * wide_c + first * wide_s);
  } else {
    a = __fmaf_rn(first, c, -__fmul_rn(second, s));
    b = __fmaf_rn(second, c, __fmul_rn(first, s));
  }
}

DEVICE void load_angles(float (&angles)[CHUNK], const char* row, int count) {
  const auto chunk = load_part<F32, QK_TABLE_ALIGN>(row, count);
#pragma unroll
  for (int i = 0; i < CHUNK; ++i) angles[i] = __uint_as_float(chunk.word[i]);
}

extern "C" __global__ void __launch_bounds__(256) rope(const __grid_constant__ Args args) {
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 row = index / args.pieces, piece = index % args.pieces;
  const u32 token = row / args.heads, head = row % args.heads;
  wait_for_predecessor();
  allow_successor();
  if (token >= args.tokens) return;
  const int count = QK_TAIL && piece == args.pieces - 1 ? QK_TAIL : PAIRS;
  const u32 first = piece * PAIRS;
  u32 position = args.positions[token];
  if (position >= args.places) {
    if (head == 0 && piece == 0) tell_fault(args.faults, ROPE_POSITION, position, args.places, token);
    position = args.places - 1;
  }
  const i64 of_row = (static_cast<i64>(position) * args.half + first) * 4;
  float c[CHUNK], s[CHUNK];
  load_angles(c, args.cos + of_row, count);
  load_angles(s, args.sin + of_row, count);
  char* x = args.x + token * args.token_stride + head * args.head_stride +
            static_cast<i64>(first) * (QK_INTERLEAVED ? 2 : 1) * bytes_of(QK_DTYPE);
  if constexpr (QK_INTERLEAVED) {
    auto both = load_part<QK_DTYPE, QK_ALIGN>(x, 2 * count);
#pragma unroll
    for (int i = 0; i < PAIRS; ++i) {
      float a, b;
      get_pair(both, i, a, b);
      turn(a, b, c[i], s[i]);
      set_pair(both, i, a, b);
    }
    store_part<QK_DTYPE, QK_ALIGN>(x, both, 2 * count);
  } else {
    char* y = x + static_cast<i64>(args.half) * bytes_of(QK_DTYPE);
    auto low = load_part<QK_DTYPE, QK_ALIGN>(x, count), high = load_part<QK_DTYPE, QK_ALIGN>(y, count);
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a[2], b[2];
      get_pair(low, pair, a[0], a[1]);
      get_pair(high, pair, b[0], b[1]);
      turn(a[0], b[0], c[2 * pair], s[2 * pair]);
      turn(a[1], b[1], c[2 * pair + 1], s[2 * pair + 1]);
      set_pair(low, pair, a[0], a[1]);
      set_pair(high, pair, b[0], b[1]);
    }
    store_part<QK_DTYPE, QK_ALIGN>(x, low, count);
    store_part<QK_DTYPE, QK_ALIGN>(y, high, count);
  }
}
