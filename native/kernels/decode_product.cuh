// A product of decode_steps.cu: its weights come through the ring (decode_ring.cuh), and the sums of a row are added up in the order
// of gemv.cu.

// What a thread has to do of a product, known before x is there.
struct Work {
  u32 chunks;                        // of a row
  u32 shift, part, groups, group;    // the logarithm of a row's parts, the warp's, and its group of rows
  u32 first, last;                   // outputs of the block
  u32 outputs, stage, tile, rows_of_output;
  const char *bias, *residual;
  char* y;
  Telling told;
  bool tells;
};

DEVICE Work work_of(const DecodeArgs& args, const Assigned& own) {
  const DecodeStep& step = own.step;
  const u32 warp = threadIdx.x / 32;
  Work work;
  work.chunks = step.inputs / CHUNK;
  work.shift = step.shift, work.part = warp & ((1u << work.shift) - 1);
  work.groups = WARPS >> work.shift, work.group = warp >> work.shift;
  work.first = own.outputs[0], work.last = own.outputs[1];
  work.outputs = step.outputs, work.stage = step.stage, work.tile = step.tile, work.rows_of_output = step.kind & SWIGLU ? 2 : 1;
  work.bias = step.at[3], work.residual = step.at[4], work.y = const_cast<char*>(step.at[5]);
  work.tells = step.words[1] != NO_WORDS;
  work.told = telling_of(args).from(work.tells ? step.words[1] : 0);
  return work;
}

// What is added to an output, as it lies in memory: nothing is made of it before it is needed, which would wait for it.
struct Added {
  Chunk<QK_DTYPE> bias[2], residual;
};

DEVICE Added load_added(const Work& work, u32 output) {
  constexpr int BYTES = bytes_of(QK_DTYPE);
  Added added{};
  if (output >= work.last) return added;
  if (work.residual != nullptr) added.residual = load_part<QK_DTYPE, BYTES>(work.residual + static_cast<i64>(output) * BYTES, 1);
  if (work.bias != nullptr) {
    const char* const bias = work.bias + static_cast<i64>(output) * BYTES;
    added.bias[0] = load_part<QK_DTYPE, BYTES>(bias, 1);
    if (work.rows_of_output == 2) added.bias[1] = load_part<QK_DTYPE, BYTES>(bias + static_cast<i64>(work.outputs) * BYTES, 1);
  }
  return added;
}

// What a warp multiplies at once: a slot of the ring, or two that hold outputs of one tile.
struct Stage {
  u32 at[2];    // of the slots, counted in chunks from the ring's first: which says that they are aligned
  u32 rows[2];  // in each; with SwiGLU first its gates, then their ups
  u32 outputs;  // of the first slot

  __device__ __forceinline__ u32 chunk_of_row(const Work& work, u32 row) const {
    return row < rows[0] ? at[0] + row * work.chunks : at[1] + (row - rows[0]) * work.chunks;
  }

  // Where the sums of a row lie, counted in rows: each gate has its up behind it.
  __device__ __forceinline__ u32 place_of_row(const Work& work, u32 row) const {
    if (work.rows_of_output == 1) return row;
    const bool second = row >= rows[0];
    const u32 in_slot = second ? row - rows[0] : row, gates = second ? rows[1] / 2 : outputs, before = second ? rows[0] : 0;
    return before + (in_slot < gates ? 2 * in_slot : 2 * (in_slot - gates) + 1);
  }
};

// AHEAD chunks of x and of each of AT_ONCE rows of w, as a lane reads them.
template <int AT_ONCE, int AHEAD>
struct Batch {
  Chunk<QK_DTYPE> x[AHEAD][1], w[AHEAD][AT_ONCE];

  // Chunk `begin` and those that are `step` behind; of those past the last the first is read, and not added.
  __device__ __forceinline__ void read(const u32 (&row_at)[AT_ONCE], u32 begin, u32 step, u32 chunks) {
    const Held* const ring_chunks = reinterpret_cast<const Held*>(ring());
#pragma unroll
    for (int j = 0; j < AHEAD; ++j) {
      const u32 c = begin + j * step, at = c < chunks ? c : 0;
      x[j][0] = room().x[at].chunk;
#pragma unroll
      for (int i = 0; i < AT_ONCE; ++i) w[j][i] = ring_chunks[row_at[i] + at].chunk;
    }
  }

  __device__ __forceinline__ void add_to(float (&sum)[AT_ONCE], u32 begin, u32 step, u32 chunks) const {
#pragma unroll
    for (int j = 0; j < AHEAD; ++j) {
      if (begin + j * step < chunks) add_products<QK_DTYPE, QK_DTYPE, AT_ONCE, 1>(sum, w[j], x[j]);
    }
  }
};

// The sums of AT_ONCE rows, the first of them and then each that is `groups` behind; those past the last are it again.
// Two batches in turn: one is on its way while the other is added up, which is one chain of additions a row. The sooner a slot's
// rows are through, the sooner memory is asked for more.
template <int AT_ONCE>
DEVICE void multiply_rows(const Work& work, const Stage& stage, u32 first, float* sums) {
  constexpr int AHEAD = AT_ONCE == 1 ? 2 : 1;
  const u32 lane = threadIdx.x % 32, step = 32u << work.shift, rows = stage.rows[0] + stage.rows[1];
  u32 row_at[AT_ONCE];
#pragma unroll
  for (int i = 0; i < AT_ONCE; ++i) row_at[i] = stage.chunk_of_row(work, min(first + i * work.groups, rows - 1));
  float sum[AT_ONCE] = {};
  Batch<AT_ONCE, AHEAD> even, odd;
  u32 begin = work.part * 32 + lane;
  even.read(row_at, begin, step, work.chunks);
  while (begin < work.chunks) {
    const u32 second = begin + AHEAD * step;
    odd.read(row_at, second, step, work.chunks);
    even.add_to(sum, begin, step, work.chunks);
    if (second >= work.chunks) break;
    begin = second + AHEAD * step;
    even.read(row_at, begin, step, work.chunks);
    odd.add_to(sum, second, step, work.chunks);
  }
  __syncwarp();
  sum_lanes<AT_ONCE>(sum, lane, 16);
  const u32 row = first + lane / (32 / AT_ONCE) * work.groups;
  if (lane % (32 / AT_ONCE) == 0 && row < rows) sums[(stage.place_of_row(work, row) << work.shift) + work.part] = sum[0];
}

// The sums of all rows of a stage. Rows go round the warps, `before` of which have had one of the stages before: where a stage
// has few, the next one is others' work.
DEVICE void multiply_stage(const Work& work, const Stage& stage, u32 before, float* sums) {
  const u32 rows = stage.rows[0] + stage.rows[1];
  u32 first = (work.group - before) & (work.groups - 1);
  for (; first + 2 * work.groups < rows; first += 4 * work.groups) multiply_rows<4>(work, stage, first, sums);
  if (first + work.groups < rows) multiply_rows<2>(work, stage, first, sums);
  else if (first < rows) multiply_rows<1>(work, stage, first, sums);
}

DEVICE float first_of(const Chunk<QK_DTYPE>& chunk) {
  float first, second;
  get_pair(chunk, 0, first, second);
  return first;
}

DEVICE float added_up(const Work& work, const float* sums, const Chunk<QK_DTYPE>& bias) {
  float sum = sums[0];
  for (u32 part = 1; part < 1u << work.shift; ++part) sum = __fadd_rn(sum, sums[part]);
  if (work.bias != nullptr) sum = __fadd_rn(sum, first_of(bias));
  return rounded<QK_DTYPE>(sum);
}

// An output as it is left; `own` are its sums.
DEVICE float finished_output(const Work& work, const float* own, const Added& added) {
  float y = added_up(work, own, added.bias[0]);
  if (work.rows_of_output == 2) {
    y = silu(y);
    if constexpr (QK_HF) y = rounded<QK_DTYPE>(y);
    y = __fmul_rn(y, added_up(work, own + (1u << work.shift), added.bias[1]));
  }
  return work.residual == nullptr ? y : __fadd_rn(first_of(added.residual), rounded<QK_DTYPE>(y));
}

// Leaves y and its neighbour's: threads with even numbers do it for both. All lanes of a warp come here; `count` outputs are.
DEVICE void leave_output(const Work& work, u32 output, u32 count, float y) {
  const float next = __shfl_down_sync(0xffffffffu, y, 1);
  if (threadIdx.x >= count || threadIdx.x % 2 == 1) return;
  const u32 both[1] = {pack<QK_DTYPE>(y, next)};
  if (work.tells) {
    work.told.tell(output / 2, both);
    work.told.clear_other<1>(output / 2);
  }
  if (work.y == nullptr) return;
  char* const to = work.y + static_cast<i64>(output) * bytes_of(QK_DTYPE);
  if (threadIdx.x + 1 < count) store_words<1>(to, both);
  else store_half_word(to, static_cast<u16>(both[0]));
}

DEVICE void multiply(const Work& work, Added& added, Place& place) {
  const u32 lane = threadIdx.x % 32;
  // Two slots at once only where all groups have a row of each: else some warps take one, and others the next.
  const u32 step = work.stage * work.rows_of_output >= work.groups ? 2 * work.stage : work.stage;
  u32 buffer = 0;
  for (u32 tile = work.first; tile < work.last; tile += work.tile) {
    const u32 count = min(work.tile, work.last - tile), output = tile + threadIdx.x;
    if (tile != work.first) added = load_added(work, output);
    float* const sums = room().sums[buffer];
    for (u32 at = 0; at < count; at += step) {
      const Place one = place;
      Stage stage;
      stage.outputs = min(work.stage, count - at);
      const u32 more = min(step - work.stage, count - at - stage.outputs);
      stage.rows[0] = stage.outputs * work.rows_of_output, stage.rows[1] = more * work.rows_of_output;
      stage.at[0] = place.slot * (QK_SLOT / sizeof(Held));
      wait_at(&room().full[place.slot], place.parity);
      place.advance();
      stage.at[1] = place.slot * (QK_SLOT / sizeof(Held));
      if (more > 0) wait_at(&room().full[place.slot], place.parity);
      const u32 before = at * work.rows_of_output;
      multiply_stage(work, stage, before, sums + (before << work.shift));
      __syncwarp();
      if (lane == 0) arrive_at(&room().empty[one.slot]);
      if (more == 0) continue;
      if (lane == 0) arrive_at(&room().empty[place.slot]);
      place.advance();
    }
    meet();
    if (threadIdx.x - lane < count) {
      const float* const own = sums + (threadIdx.x * work.rows_of_output << work.shift);
      leave_output(work, output, count, threadIdx.x < count ? finished_output(work, own, added) : 0);
    }
    buffer ^= 1;
  }
}

// y of a product.
DEVICE void run_product(const DecodeArgs& args, const Assigned& own, Place& place) {
  // All that is known is looked up before x is there, not behind it.
  const Work work = work_of(args, own);
  Added added = load_added(work, work.first + threadIdx.x);
  if (work.first < work.last) wait_at(&room().full[place.slot], place.parity);
  if (own.step.kind & NORM) take_norm(args, own.step);
  else take_x(args, own.step);
  multiply(work, added, place);
}
