// A product of decode_steps.cu: x is normalised once in each block, its weights come through the ring, and the sums of a row
// are added up in the order of gemv.cu.

// The squares of x [CHUNKS * 8], as stage_norm of gemv.cu adds them up: by THREADS_OF_NORM threads, each with chunks of its own.
template <u32 CHUNKS, u32 HELD>
DEVICE float sum_of_squares(const Chunk<QK_DTYPE> (&x)[HELD]) {
  static_assert(CHUNKS <= 1024, "a thread of the norm has one chunk");
  constexpr u32 WARPS_OF_NORM = (CHUNKS + 31) / 32;
  const u32 lane = threadIdx.x % 32;
  float* const of_warp = room().of_warp;
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    float sum = 0;
    if (c < CHUNKS) {
#pragma unroll
      for (int pair = 0; pair < CHUNK / 2; ++pair) {
        float a, b;
        get_pair(x[i], pair, a, b);
        sum = __fmaf_rn(b, b, __fmaf_rn(a, a, sum));
      }
    }
    sum = warp_sum(sum);
    if (lane == 0 && c / 32 < WARPS_OF_NORM) of_warp[c / 32] = sum;
  }
  meet();
  if constexpr (WARPS_OF_NORM == 1) return of_warp[0];
  return warp_sum(lane < WARPS_OF_NORM ? of_warp[lane] : 0.0f);
}

template <int N>
struct Gains {
  static constexpr u32 HELD = products[N].norm == 1 ? (products[N].inputs / CHUNK + THREADS - 1) / THREADS : 1;
  Chunk<QK_NORM_DTYPE> chunk[HELD];

  // Before x is there: weights do not change.
  __device__ __forceinline__ void load(const DecodeStep& step) {
    if constexpr (products[N].norm == 1) {
#pragma unroll
      for (u32 i = 0; i < HELD; ++i) {
        const u32 c = threadIdx.x + i * THREADS;
        if (c < products[N].inputs / CHUNK) {
          chunk[i] = load_chunk<QK_NORM_DTYPE, 16>(step.at[2] + static_cast<i64>(c) * CHUNK * bytes_of(QK_NORM_DTYPE));
        }
      }
    }
  }
};

// The chunks of x that are this thread's, as soon as others have told them.
template <u32 CHUNKS, u32 BEGIN, u32 END, u32 HELD>
DEVICE void hear_x(const Telling& told, Chunk<QK_DTYPE> (&x)[HELD]) {
  for (bool missing = true; missing;) {
    missing = false;
#pragma unroll
    for (u32 i = BEGIN; i < END; ++i) {
      const u32 c = threadIdx.x + i * THREADS;
      if (c < CHUNKS && !told.hear(4 * c, x[i])) missing = true;
    }
    if (missing) look_again();
  }
}

// x, or norm(x), into shared memory.
template <int N>
DEVICE void take_x(const DecodeArgs& args, const DecodeStep& step, const Gains<N>& gains) {
  constexpr Product P = products[N];
  constexpr u32 CHUNKS = P.inputs / CHUNK, HELD = (CHUNKS + THREADS - 1) / THREADS;
  Chunk<QK_DTYPE> x[HELD];
  if (step.words[0] == NO_WORDS) {
#pragma unroll
    for (u32 i = 0; i < HELD; ++i) {
      const u32 c = threadIdx.x + i * THREADS;
      if (c < CHUNKS) x[i] = load_chunk<QK_DTYPE, 16>(step.at[0] + c * 16);
    }
  } else {
    // A long row is asked for when its first chunks are there: all blocks that ask for all of it again and again would be in the
    // way of the weights.
    constexpr u32 FIRST = HELD < 2 ? HELD : 2;
    const Telling told = telling_of(args).from(step.words[0]);
    hear_x<CHUNKS, 0, FIRST>(told, x);
    if constexpr (FIRST < HELD) hear_x<CHUNKS, FIRST, HELD>(told, x);
  }
  float scale = 1;
  if constexpr (P.norm != 0) {
    const float sum = sum_of_squares<CHUNKS>(x);
    scale = scale_of<QK_DTYPE, QK_NORM_KIND>(sum, 1.0f / P.inputs, step.eps);
  }
#pragma unroll
  for (u32 i = 0; i < HELD; ++i) {
    const u32 c = threadIdx.x + i * THREADS;
    if (c >= CHUNKS) continue;
    if constexpr (P.norm != 0) {
#pragma unroll
      for (int pair = 0; pair < CHUNK / 2; ++pair) {
        float a, b, first, second;
        get_pair(x[i], pair, a, b);
        a = __fmul_rn(a, scale), b = __fmul_rn(b, scale);
        if constexpr (P.norm == 1) {
          get_pair(gains.chunk[i], pair, first, second);
          a = QK_NORM_OFFSET ? __fmaf_rn(a, first, a) : __fmul_rn(a, first);
          b = QK_NORM_OFFSET ? __fmaf_rn(b, second, b) : __fmul_rn(b, second);
        }
        set_pair(x[i], pair, a, b);
      }
    }
    room().x[c].chunk = x[i];
  }
  meet();
}

// The sums of `rows` rows of a slot: sums[row * parts + part]. Rows go round the warps, `before` of which have had one of the
// slots before: where a slot has few, the next one is others' work.
template <int N>
DEVICE void multiply_slot(const char* slot, u32 rows, u32 before, float* sums) {
  constexpr Product P = products[N];
  constexpr u32 CHUNKS = P.inputs / CHUNK, STEPS = (CHUNKS + 32 * P.parts - 1) / (32 * P.parts), GROUPS = WARPS / P.parts;
  constexpr u32 SLOT_ROWS = Flow<N>::STAGE * Flow<N>::ROWS_OF_OUTPUT, TURN = (SLOT_ROWS + GROUPS - 1) / GROUPS;
  constexpr int AT_ONCE = TURN >= 4 ? 4 : TURN >= 2 ? 2 : 1;
  constexpr int UNROLLED = STEPS % 4 == 0 ? 4 : STEPS % 3 == 0 ? 3 : STEPS % 2 == 0 ? 2 : 1;  // a step's code has to stay in its cache
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, group = warp / P.parts, part = warp % P.parts;
  for (u32 first = (group + GROUPS - before % GROUPS) % GROUPS; first < rows; first += GROUPS * AT_ONCE) {
    float sum[AT_ONCE] = {};
#pragma unroll UNROLLED
    for (u32 s = 0; s < STEPS; ++s) {
      const u32 c = (s * P.parts + part) * 32 + lane;
      if (CHUNKS % (32 * P.parts) != 0 && c >= CHUNKS) break;
      const Chunk<QK_DTYPE> x[1] = {room().x[c].chunk};
      Chunk<QK_DTYPE> w[AT_ONCE];
#pragma unroll
      for (int i = 0; i < AT_ONCE; ++i) {
        const u32 row = min(first + i * GROUPS, rows - 1);
        w[i] = reinterpret_cast<const Held*>(slot + row * Flow<N>::ROW)[c].chunk;
      }
      add_products<QK_DTYPE, QK_DTYPE, AT_ONCE, 1>(sum, w, x);
    }
    sum_lanes<AT_ONCE>(sum, lane, 16);
    const u32 row = first + lane / (32 / AT_ONCE) * GROUPS;
    if (lane % (32 / AT_ONCE) == 0 && row < rows) sums[row * P.parts + part] = sum[0];
  }
}

template <int N>
DEVICE float added_up(const DecodeStep& step, const float* sums, u32 row_of_weight) {
  float sum = sums[0];
#pragma unroll
  for (u32 part = 1; part < products[N].parts; ++part) sum = __fadd_rn(sum, sums[part]);
  if constexpr (products[N].bias) sum = __fadd_rn(sum, load_one<QK_DTYPE>(step.at[3], row_of_weight));
  return rounded<QK_DTYPE>(sum);
}

// An output as it is left; `own` are its sums, behind which those of `here` outputs lie.
template <int N>
DEVICE float finished_output(const DecodeStep& step, const float* own, u32 here, u32 output, float residual) {
  constexpr Product P = products[N];
  float y = added_up<N>(step, own, output);
  if constexpr (P.swiglu) {
    const float up = added_up<N>(step, own + here * P.parts, P.outputs + output);
    y = __fmul_rn(silu(y), up);
    if constexpr (P.residual) y = rounded<QK_DTYPE>(y);
  }
  if constexpr (P.residual) y = __fadd_rn(residual, y);
  return y;
}

// Leaves y and its neighbour's: threads with even numbers do it for both. All lanes of a warp come here; `count` outputs are.
DEVICE void leave_output(const DecodeArgs& args, const DecodeStep& step, u32 output, u32 count, float y) {
  const float next = __shfl_down_sync(0xffffffffu, y, 1);
  if (threadIdx.x >= count || threadIdx.x % 2 == 1) return;
  const u32 both = pack<QK_DTYPE>(y, next);
  if (step.words[1] != NO_WORDS) telling_of(args).from(step.words[1]).tell(output / 2, both);
  if (step.at[5] == nullptr) return;
  char* const to = const_cast<char*>(step.at[5]) + static_cast<i64>(output) * bytes_of(QK_DTYPE);
  if (threadIdx.x + 1 < count) store_words<1>(to, &both);
  else store_half_word(to, static_cast<u16>(both));
}

template <int N>
DEVICE void multiply(const DecodeArgs& args, const DecodeStep& step, Place& place) {
  constexpr Product P = products[N];
  using F = Flow<N>;
  const u32 lane = threadIdx.x % 32;
  const u32 last = first_output(P.outputs, blockIdx.x + 1);
  u32 buffer = 0;
  for (u32 tile = first_output(P.outputs, blockIdx.x); tile < last; tile += F::TILE) {
    const u32 count = min(F::TILE, last - tile), output = tile + threadIdx.x;
    float residual = 0;
    if constexpr (P.residual) {
      if (threadIdx.x < count) residual = load_one<QK_DTYPE>(step.at[4], output);
    }
    float* const sums = room().sums[buffer];
    for (u32 at = 0; at < count; at += F::STAGE) {
      const u32 here = min(F::STAGE, count - at);
      wait_at(&room().full[place.slot], place.parity);
      const u32 before = at * F::ROWS_OF_OUTPUT;
      multiply_slot<N>(ring() + place.slot * QK_SLOT, here * F::ROWS_OF_OUTPUT, before, sums + before * P.parts);
      __syncwarp();
      if (lane == 0) arrive_at(&room().empty[place.slot]);
      place.advance();
    }
    meet();
    if (threadIdx.x - lane < count) {
      // Of a slot with so many outputs, first the gates, then their ups.
      const u32 at = threadIdx.x / F::STAGE * F::STAGE, here = min(F::STAGE, count - at), in = threadIdx.x - at;
      const float* const own = sums + (at * F::ROWS_OF_OUTPUT + in) * P.parts;
      const float y = threadIdx.x < count ? finished_output<N>(step, own, here, output, residual) : 0;
      leave_output(args, step, output, count, y);
    }
    buffer ^= 1;
  }
}

// The weights of a product on their way into the ring; one thread, in the order in which they are taken out.
template <int N>
DEVICE void fetch_weights(const DecodeStep& step, Place& place) {
  constexpr Product P = products[N];
  using F = Flow<N>;
  const u32 last = first_output(P.outputs, blockIdx.x + 1);
  for (u32 tile = first_output(P.outputs, blockIdx.x); tile < last; tile += F::TILE) {
    const u32 count = min(F::TILE, last - tile);
    for (u32 at = 0; at < count; at += F::STAGE) {
      const u32 here = min(F::STAGE, count - at), bytes = here * F::ROW;
      wait_at(&room().empty[place.slot], place.parity ^ 1);  // nobody holds what was never filled
      u64* const full = &room().full[place.slot];
      char* const to = ring() + place.slot * QK_SLOT;
      arrive_expecting(full, bytes * F::ROWS_OF_OUTPUT);
      const char* from = step.at[1] + static_cast<i64>(tile + at) * F::ROW;
      start_copy(to, from, bytes, full);
      if constexpr (P.swiglu) start_copy(to + bytes, from + static_cast<i64>(P.outputs) * F::ROW, bytes, full);
      place.advance();
    }
  }
}
