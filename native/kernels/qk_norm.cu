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

struct Args {
  Side q, k;
  u32 tokens;
  u32 heads;                 // q.heads + k.heads
  u32 slices;                // lane groups per head; without QK_LOOP ceil(tokens / QK_ROWS)
  u32 trips;                 // ceil(tokens / (slices * QK_ROWS)), read with QK_LOOP
  u32 multiplier, shift;     // n / heads == n * multiplier >> shift for every n < 2^31
};

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
