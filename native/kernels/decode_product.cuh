// A product of decode_steps.cu: x is normalised once in each block, its weights come through the ring, and the sums of a row
// are added up in the order of gemv.cu.

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

// What a warp has of a product's rows: those of its group, and a part of each.
struct Share {
  u32 chunks, shift, part, groups, group;
};

DEVICE Share share_of(const DecodeStep& step) {
  const u32 warp = threadIdx.x / 32;
  return {step.inputs / CHUNK, step.shift, warp & (step.parts - 1), WARPS >> step.shift, warp >> step.shift};
}

// The sums of AT_ONCE rows of a slot, the first of them and then each that is `groups` behind; those past the last are it again.
template <int AT_ONCE>
DEVICE void multiply_rows(const Share& share, const char* slot, u32 first, u32 rows, u32 here, float* sums) {
  const u32 lane = threadIdx.x % 32, next = 32u << share.shift;
  const Held* const w = reinterpret_cast<const Held*>(slot);
  u32 row_at[AT_ONCE];  // counted in chunks, which says that they are aligned
#pragma unroll
  for (int i = 0; i < AT_ONCE; ++i) row_at[i] = min(first + i * share.groups, rows - 1) * share.chunks;
  float sum[AT_ONCE] = {};
#pragma unroll 2
  for (u32 c = share.part * 32 + lane; c < share.chunks; c += next) {
    const Chunk<QK_DTYPE> x[1] = {room().x[c].chunk};
    Chunk<QK_DTYPE> chunks[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; ++i) chunks[i] = w[row_at[i] + c].chunk;
    add_products<QK_DTYPE, QK_DTYPE, AT_ONCE, 1>(sum, chunks, x);
  }
  __syncwarp();
  sum_lanes<AT_ONCE>(sum, lane, 16);
  const u32 row = first + lane / (32 / AT_ONCE) * share.groups;
  if (lane % (32 / AT_ONCE) != 0 || row >= rows) return;
  // Each gate has its up behind it.
  const u32 at = rows == here ? row : row < here ? 2 * row : 2 * (row - here) + 1;
  sums[(at << share.shift) + share.part] = sum[0];
}

// The sums of `rows` rows of a slot, of `here` outputs: sums[row * parts + part]. Rows go round the warps, `before` of which have
// had one of the slots before: where a slot has few, the next one is others' work.
DEVICE void multiply_slot(const Share& share, const char* slot, u32 rows, u32 here, u32 before, float* sums) {
  u32 first = (share.group - before) & (share.groups - 1);
  for (; first + share.groups < rows; first += 2 * share.groups) multiply_rows<2>(share, slot, first, rows, here, sums);
  if (first < rows) multiply_rows<1>(share, slot, first, rows, here, sums);
}

DEVICE float added_up(const DecodeStep& step, const float* sums, u32 row_of_weight) {
  float sum = sums[0];
  for (u32 part = 1; part < step.parts; ++part) sum = __fadd_rn(sum, sums[part]);
  if (step.at[3] != nullptr) sum = __fadd_rn(sum, load_one<QK_DTYPE>(step.at[3], row_of_weight));
  return rounded<QK_DTYPE>(sum);
}

// An output as it is left; `own` are its sums.
DEVICE float finished_output(const DecodeStep& step, const float* own, u32 output, const Chunk<QK_DTYPE>& residual) {
  float y = added_up(step, own, output);
  if (step.kind & SWIGLU) {
    const float up = added_up(step, own + step.parts, step.outputs + output);
    y = __fmul_rn(silu(y), up);
  }
  if (step.at[4] == nullptr) return y;
  float more, none;
  get_pair(residual, 0, more, none);
  return __fadd_rn(more, rounded<QK_DTYPE>(y));
}

// Leaves y and its neighbour's: threads with even numbers do it for both. All lanes of a warp come here; `count` outputs are.
DEVICE void leave_output(const DecodeArgs& args, const DecodeStep& step, u32 output, u32 count, float y) {
  const float next = __shfl_down_sync(0xffffffffu, y, 1);
  if (threadIdx.x >= count || threadIdx.x % 2 == 1) return;
  const u32 both[1] = {pack<QK_DTYPE>(y, next)};
  if (step.words[1] != NO_WORDS) {
    const Telling told = telling_of(args).from(step.words[1]);
    told.tell(output / 2, both);
    told.clear_other<1>(output / 2);
  }
  if (step.at[5] == nullptr) return;
  char* const to = const_cast<char*>(step.at[5]) + static_cast<i64>(output) * bytes_of(QK_DTYPE);
  if (threadIdx.x + 1 < count) store_words<1>(to, both);
  else store_half_word(to, static_cast<u16>(both[0]));
}

DEVICE void multiply(const DecodeArgs& args, const Assigned& own, Place& place) {
  const DecodeStep& step = own.step;
  const Share share = share_of(step);
  const u32 lane = threadIdx.x % 32, rows_of_output = step.kind & SWIGLU ? 2 : 1, last = own.outputs[1];
  u32 buffer = 0;
  for (u32 tile = own.outputs[0]; tile < last; tile += step.tile) {
    const u32 count = min(step.tile, last - tile), output = tile + threadIdx.x;
    // Nothing is made of it before it is needed: that would wait for it.
    Chunk<QK_DTYPE> residual{};
    if (step.at[4] != nullptr && threadIdx.x < count) {
      residual = load_part<QK_DTYPE, bytes_of(QK_DTYPE)>(step.at[4] + static_cast<i64>(output) * bytes_of(QK_DTYPE), 1);
    }
    float* const sums = room().sums[buffer];
    for (u32 at = 0; at < count; at += step.stage) {
      const u32 here = min(step.stage, count - at), before = at * rows_of_output;
      wait_at(&room().full[place.slot], place.parity);
      multiply_slot(share, ring() + place.slot * QK_SLOT, here * rows_of_output, here, before, sums + (before << share.shift));
      __syncwarp();
      if (lane == 0) arrive_at(&room().empty[place.slot]);
      place.advance();
    }
    meet();
    if (threadIdx.x - lane < count) {
      const float* const sums_of_own = sums + (threadIdx.x * rows_of_output << share.shift);
      const float y = threadIdx.x < count ? finished_output(step, sums_of_own, output, residual) : 0;
      leave_output(args, step, output, count, y);
    }
    buffer ^= 1;
  }
}

// Asks for what a product reads besides its weights, each block for a line: the weights under way would be in front of it.
DEVICE void prefetch_product(const DecodeStep& step) {
  constexpr u32 LINE = 128;
  const u32 at = blockIdx.x * LINE;
  if (threadIdx.x % 32 != 0 || !(step.kind & NORM) || step.at[2] == nullptr) return;
  if (at < step.inputs * bytes_of(QK_NORM_DTYPE)) prefetch_line(step.at[2] + at);
}

// The weights of a product on their way into the ring; one thread, in the order in which they are taken out.
DEVICE void fetch_weights(const DecodeStep& step, Place& place) {
  const u32 row_bytes = step.inputs * bytes_of(QK_DTYPE), last = first_output(step.outputs, blockIdx.x + 1);
  const bool swiglu = step.kind & SWIGLU;
  for (u32 tile = first_output(step.outputs, blockIdx.x); tile < last; tile += step.tile) {
    const u32 count = min(step.tile, last - tile);
    for (u32 at = 0; at < count; at += step.stage) {
      const u32 here = min(step.stage, count - at), bytes = here * row_bytes;
      wait_at(&room().empty[place.slot], place.parity ^ 1);  // nobody holds what was never filled
      u64* const full = &room().full[place.slot];
      char* const to = ring() + place.slot * QK_SLOT;
      arrive_expecting(full, swiglu ? 2 * bytes : bytes);
      const char* from = step.at[1] + static_cast<i64>(tile + at) * row_bytes;
      start_copy(to, from, bytes, full);
      if (swiglu) start_copy(to + bytes, from + static_cast<i64>(step.outputs) * row_bytes, bytes, full);
      place.advance();
    }
  }
}
