// The row of a product of decode_steps.cu, in the shared memory of each block: x as soon as others have told it, normalised where
// the product has a norm, as stage_norm of gemv.cu does it.

// The chunks of x that are this thread's, as soon as others have told them.
template <u32 BEGIN, u32 END, u32 HELD>
DEVICE void hear_x(const Telling& told, u32 chunks, Chunk<QK_DTYPE> (&x)[HELD]) {
  for (bool missing = true; missing;) {
    missing = false;
#pragma unroll
    for (u32 i = BEGIN; i < END; ++i) {
      const u32 c = threadIdx.x + i * THREADS;
      if (c < chunks && !told.hear(4 * c, x[i].word)) missing = true;
    }
    if (missing) look_again();
  }
}

template <u32 HELD>
DEVICE void bring_x(const DecodeArgs& args, const DecodeStep& step, u32 chunks, Chunk<QK_DTYPE> (&x)[HELD]) {
  if (step.words[0] == NO_WORDS) {
#pragma unroll
    for (u32 i = 0; i < HELD; ++i) {
      const u32 c = threadIdx.x + i * THREADS;
      if (c < chunks) x[i] = load_chunk<QK_DTYPE, 16>(step.at[0] + c * 16);
    }
    return;
  }
  // A long row is asked for when its first chunks are there: all blocks that ask for all of it again and again would be in the
  // way of the weights.
  constexpr u32 FIRST = HELD < 2 ? HELD : 2;
  const Telling told = telling_of(args).from(step.words[0]);
  hear_x<0, FIRST>(told, chunks, x);
  if constexpr (FIRST < HELD) hear_x<FIRST, HELD>(told, chunks, x);
}

// The squares of x, as stage_norm of gemv.cu adds them up: by up to 1024 threads, each with a chunk of its own.
template <u32 HELD>
DEVICE float sum_of_squares(u32 chunks, const Chunk<QK_DTYPE> (&x)[HELD]) {
  const u32 lane = threadIdx.x % 32, warps = (chunks + 31) / 32;
  float* const of_warp = room().of_warp;
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    float sum = 0;
    if (c < chunks) {
#pragma unroll
      for (int pair = 0; pair < CHUNK / 2; ++pair) {
        float a, b;
        get_pair(x[i], pair, a, b);
        sum = __fmaf_rn(b, b, __fmaf_rn(a, a, sum));
      }
    }
    sum = warp_sum(sum);
    if (lane == 0 && c / 32 < warps) of_warp[c / 32] = sum;
  }
  meet();
  // Zeros of warps that are not there change no sum: so many steps as there are warps.
  const u32 most = warps <= 1 ? 1 : 2u << (31 - __clz(static_cast<int>(warps - 1)));
  const u32 of = lane & (most - 1);
  float sum = of < warps ? of_warp[of] : 0.0f;
  for (u32 half = most / 2; half > 0; half /= 2) sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffu, sum, half));
  return sum;
}

// x into shared memory.
DEVICE void take_x(const DecodeArgs& args, const DecodeStep& step) {
  constexpr u32 HELD = (QK_MOST_INPUTS / CHUNK + THREADS - 1) / THREADS;
  const u32 chunks = step.inputs / CHUNK;
  Chunk<QK_DTYPE> x[HELD];
  bring_x(args, step, chunks, x);
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    if (c < chunks) room().x[c].chunk = x[i];
  }
  meet();
}

// norm(x) into shared memory.
DEVICE void take_norm(const DecodeArgs& args, const DecodeStep& step) {
  constexpr u32 HELD = (QK_MOST_NORMED / CHUNK + THREADS - 1) / THREADS;
  static_assert(QK_MOST_NORMED / CHUNK <= 1024, "a thread of the norm has one chunk");
  const u32 chunks = step.inputs / CHUNK;
  const bool weighted = step.at[2] != nullptr;
  Chunk<QK_NORM_DTYPE> gains[HELD];  // before x is there: weights do not change
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    if (weighted && c < chunks) {
      gains[i] = load_chunk<QK_NORM_DTYPE, 16>(step.at[2] + static_cast<i64>(c) * CHUNK * bytes_of(QK_NORM_DTYPE));
    }
  }
  Chunk<QK_DTYPE> x[HELD];
  bring_x(args, step, chunks, x);
  const float scale = scale_of<QK_DTYPE, QK_NORM_KIND>(sum_of_squares(chunks, x), step.inverse, step.eps);
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    if (c >= chunks) continue;
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b, first, second;
      get_pair(x[i], pair, a, b);
      a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
      if constexpr (QK_HF) round_pair<QK_DTYPE>(a, b);
      if (weighted) {
        get_pair(gains[i], pair, first, second);
        a = QK_NORM_OFFSET ? __fmaf_rn(a, first, a) : __fmul_rn(a, first);
        b = QK_NORM_OFFSET ? __fmaf_rn(b, second, b) : __fmul_rn(b, second);
      }
      set_pair(x[i], pair, a, b);
    }
    room().x[c].chunk = x[i];
  }
  meet();
}
