// Grouped-query attention of few queries on the tensor cores, straight from memory: a warp takes 16 keys at a time, and
// every lane loads 16 bytes of a key or a value just where the products of matrices want them, because the order of the
// elements within a product is free. No key goes through shared memory.
//
// A tile has up to 8 rows; the other 8 of a product's 16 hold what is lost of a probability when it is rounded to 16 bits,
// so that with rounding once a result is as exact as in f32.
//
// Of a product (tensor_core.cuh) a lane has row group = lane / 4 and what pair = lane % 4 says:
//   scores  the b operand is k: lane loads elements 32 * j + 8 * pair..+7 of key group, two steps of 16 elements
//   values  the b operand is v: lane loads elements 64 * h + 8 * group..+7 of keys 2 * pair..+1 and 2 * pair + 8..+9; element
//           8 * group + i is column group of product i, so that the lane ends with elements 16 * pair..+15 of its row
//
// QK_CACHE is QK_DTYPE, of 16 bits; QK_HEAD_DIM a multiple of 64 up to 256; all 16-byte aligned; QK_ROWS 8 at most.
//
// QK_RESIDENT   blocks that a multiprocessor's registers are to have room for
// The other macros: attention_pieces.cuh.

constexpr int STEP = 16;                 // keys of a warp at a time
constexpr int QUARTERS = QK_HEAD_DIM / 32;  // loads of a key
constexpr int HALVES = QK_HEAD_DIM / 64;    // loads of a value

// What a lane knows of its row.
struct Row {
  u32 q[QUARTERS][4];
  Keys seen;
  State whole;  // of all pieces, in the stages that know it
  State state;  // the sum: of this lane's keys
  float values[HALVES][8][4];
};

DEVICE void load_row(const Args& args, const Piece& piece, Row& row) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const int lane = threadIdx.x % 32, r = lane / 4;
  const bool there = r < tile.count;
  const int token = tile.token_of(args, there ? r : 0), head = tile.head_of(args, there ? r : 0);
  const char* from = args.q + (sequence.first_token + token) * args.q_token_stride + head * args.q_head_stride;
#pragma unroll
  for (int j = 0; j < QUARTERS; ++j) load_words<4>(from + (32 * j + 8 * (lane % 4)) * 2, row.q[j]);
  row.seen = {0, 0};
  if (there) row.seen = seen_from(args, sequence, sequence.own(token));
  row.state = {NOTHING, 0};
  if constexpr (QK_STAGE == SUMS || QK_STAGE == VALUES) {
    const float* states = partial_state(args, sequence, tile, cut, there ? r : 0);
    row.whole = whole_state(states, cut.count, sink_of(args, head));
  }
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (float& value : row.values[h][i]) value = 0;
    }
  }
}

// The keys of a step as they lie in memory.
struct Step {
  u32 k[2][QUARTERS][4];
  u32 v[4][HALVES][4];
};

DEVICE void load_step(const Args& args, const Piece& piece, int key, Step& step) {
  const int lane = threadIdx.x % 32;
  const char* keys = args.k + piece.tile.kv_head * args.k_head_stride;
  const char* values = args.v + piece.tile.kv_head * args.v_head_stride;
  // What is not there is read from the first slot, so that no load depends on a branch.
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    const int at = key + 8 * n + lane / 4;
    const i64 slot = at < piece.keys.last ? slot_of(args, piece.sequence, at) : NOWHERE;
    const char* from = keys + (slot == NOWHERE ? 0 : slot) * args.k_token_stride + lane % 4 * 16;
#pragma unroll
    for (int j = 0; j < QUARTERS; ++j) load_words<4>(from + 64 * j, step.k[n][j]);
  }
  if constexpr (!WITH_VALUES) return;
  bool there[4];
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const int at = key + n / 2 * 8 + lane % 4 * 2 + n % 2;
    const i64 slot = at < piece.keys.last ? slot_of(args, piece.sequence, at) : NOWHERE;
    there[n] = slot != NOWHERE;
    const char* from = values + (there[n] ? slot : 0) * args.v_token_stride + lane / 4 * 16;
#pragma unroll
    for (int h = 0; h < HALVES; ++h) load_words<4>(from + 128 * h, step.v[n][h]);
  }
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    if (there[n]) continue;  // zero times what lies there may be NaN
#pragma unroll
    for (int h = 0; h < HALVES; ++h) {
#pragma unroll
      for (u32& word : step.v[n][h]) word = 0;
    }
  }
}

// The scores of the lane's row with keys 8 * n + 2 * pair and the next.
DEVICE void score_step(const Args& args, const Row& row, const Step& step, int key, float (&scores)[2][2]) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    float c[4] = {0, 0, 0, 0};
#pragma unroll
    for (int j = 0; j < QUARTERS; ++j) {
      const u32(&q)[4] = row.q[j];
      const u32(&k)[4] = step.k[n][j];
      multiply_16x8x16<QK_DTYPE>(c, {q[0], 0u, q[1], 0u}, {k[0], k[1]});
      multiply_16x8x16<QK_DTYPE>(c, {q[2], 0u, q[3], 0u}, {k[2], k[3]});
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int at = key + 8 * n + threadIdx.x % 4 * 2 + i;
      const float score = score_of(args, c[i]);
      scores[n][i] = at >= row.seen.first && at < row.seen.last ? score : NOTHING;
    }
  }
}

// Takes the scores in, and leaves in their place what the values are multiplied by.
DEVICE void absorb(Row& row, float (&scores)[2][2]) {
  State& state = row.state;
  if constexpr (QK_STAGE == ONCE || QK_STAGE == STATES) {
    float largest = fmaxf(fmaxf(scores[0][0], scores[0][1]), fmaxf(scores[1][0], scores[1][1]));
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
    largest = fmaxf(largest, state.largest);
    const float kept = power_of(state.largest - base_of(largest));
    state = {largest, state.sum * kept};
    if constexpr (QK_STAGE == ONCE) {
#pragma unroll
      for (int h = 0; h < HALVES; ++h) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
#pragma unroll
          for (float& value : row.values[h][i]) value *= kept;
        }
      }
    }
  } else {
    state.largest = row.whole.largest;
  }
  const float base = base_of(state.largest);
  const float divisor = QK_STAGE == VALUES && row.whole.sum != 0 ? row.whole.sum : 1;
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (float& score : scores[n]) {
      float power = power_of(lowered(score, base));
      if constexpr (QK_STAGE == VALUES) power = power / divisor;
      else state.sum += power;
      score = power;
    }
  }
}

// Row r of values: += probabilities * v, and row r + 8 the same with what rounding the probabilities took off.
DEVICE void multiply_values(Row& row, const Step& step, const float (&powers)[2][2]) {
  u32 a[4];
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    const float low = powers[n][0], high = powers[n][1];
    float near_low = low, near_high = high;
    round_pair<QK_DTYPE>(near_low, near_high);
    a[2 * n] = pack<QK_DTYPE>(low, high);
    a[2 * n + 1] = QK_HF ? 0 : pack<QK_DTYPE>(low - near_low, high - near_high);
  }
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const u32 halves = i % 2 == 0 ? 0x5410 : 0x7632;  // the lower or the upper element of both words
      const u32 first = __byte_perm(step.v[0][h][i / 2], step.v[1][h][i / 2], halves);
      const u32 second = __byte_perm(step.v[2][h][i / 2], step.v[3][h][i / 2], halves);
      multiply_16x8x16<QK_DTYPE>(row.values[h][i], a, {first, second});
    }
  }
}

// ---- joining ----

struct Shared {
  State state[QK_ROWS][QK_WARPS];
  alignas(16) float values[QK_WARPS][QK_ROWS][QK_HEAD_DIM];
};

// What the pieces of a tile leave for the last block of their cluster, in its dynamic shared memory.
struct ClusterRoom {
  float* values;  // [pieces, QK_ROWS, head dim]
  float* states;  // [QK_ROWS, pieces, 2]

  __device__ __forceinline__ float* value_of(int piece, int r) const {
    return values + (piece * QK_ROWS + r) * QK_HEAD_DIM;
  }
  __device__ __forceinline__ float* state_of(int piece, int r) const { return states + (r * QK_CLUSTER + piece) * 2; }
};

DEVICE ClusterRoom cluster_room() {
  float* const room = reinterpret_cast<float*>(dynamic_shared());
  return {room, room + QK_CLUSTER * QK_ROWS * QK_HEAD_DIM};
}

DEVICE void share_row(const Row& row, Shared& shared) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, r = lane / 4, pair = lane % 4;
  float sum = row.state.sum;
  sum += __shfl_xor_sync(0xffffffffu, sum, 1);
  sum += __shfl_xor_sync(0xffffffffu, sum, 2);
  if (r >= QK_ROWS) return;
  if (pair == 0) shared.state[r][warp] = {row.state.largest, sum};
  if constexpr (!WITH_VALUES) return;
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
    float* const to = shared.values[warp][r] + 64 * h + 16 * pair;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float(&value)[4] = row.values[h][i];
      to[i] = value[0] + value[2];
      to[8 + i] = value[1] + value[3];
    }
  }
}

// The state of row lane / QK_WARPS, where its piece is one of several.
DEVICE void leave_state(const Args& args, const Piece& piece, const State& all) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const int r = threadIdx.x / QK_WARPS;
  if (threadIdx.x >= 32 || threadIdx.x % QK_WARPS != 0 || r >= tile.count) return;
  if (QK_STAGE == VALUES || (QK_STAGE == ONCE && cut.count == 1)) return;
  if constexpr (QK_CLUSTER > 0) {
    store_to_block<1>(cluster_room().state_of(number, r), QK_CLUSTER - 1, {all.largest});
    store_to_block<1>(cluster_room().state_of(number, r) + 1, QK_CLUSTER - 1, {all.sum});
  } else {
    float* const state = partial_state(args, sequence, tile, cut, r) + 2 * number;
    if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
    state[1] = all.sum;
  }
}

// Four elements of a row of a piece go where they belong: to the result where there is one piece, to the last block of the
// cluster, or to memory for attention_join.cu.
DEVICE void leave_values(const Args& args, const Piece& piece, int r, int element, const State& all, float (&values)[4]) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  if (cut.count > 1) {
    if constexpr (QK_CLUSTER > 0) {
      store_to_block<4>(cluster_room().value_of(number, r) + element, QK_CLUSTER - 1, values);
    } else {
      float* const to = partial_values(args, first_slot(args, sequence, tile, cut, r) + number) + element;
#pragma unroll
      for (int i = 0; i < 4; ++i) to[i] = values[i];
    }
    return;
  }
  if constexpr (QK_STAGE == ONCE) {
    const float sink = sink_of(args, tile.head_of(args, r));
#pragma unroll
    for (float& value : values) value = finished(value, all, sink);
  }
  const u32 words[2] = {pack<QK_DTYPE>(values[0], values[1]), pack<QK_DTYPE>(values[2], values[3])};
  const i64 at = row_number(args, sequence, tile, r) * QK_HEAD_DIM + element;
  store_words<2>(args.out + at * bytes_of(QK_DTYPE), words);
}

// Adds up what the warps have of each row, in one order.
DEVICE void join_warps(const Args& args, const Piece& piece, const Shared& shared) {
  static_assert(QK_ROWS * QK_WARPS <= 32, "a lane for each row of each warp");
  constexpr int FOURS = QK_HEAD_DIM / 4;
  const int lane = threadIdx.x % 32;
  State part = {NOTHING, 0};
  if (lane < QK_ROWS * QK_WARPS) part = shared.state[lane / QK_WARPS][lane % QK_WARPS];
  Weights weights = weigh<QK_WARPS>(part);
  if constexpr (QK_STAGE == SUMS || QK_STAGE == VALUES) weights.factor = 1;
  leave_state(args, piece, weights.all);
  if constexpr (!WITH_VALUES) return;
  const int total = piece.tile.count * FOURS;
  for (int first = threadIdx.x - lane; first < total; first += QK_WARPS * 32) {
    const int item = first + lane, r = item < total ? item / FOURS : 0, element = item % FOURS * 4;
    const State all = {__shfl_sync(0xffffffffu, weights.all.largest, r * QK_WARPS),
                       __shfl_sync(0xffffffffu, weights.all.sum, r * QK_WARPS)};
    float values[4] = {0, 0, 0, 0};
#pragma unroll
    for (int w = 0; w < QK_WARPS; ++w) {
      const float factor = __shfl_sync(0xffffffffu, weights.factor, r * QK_WARPS + w);
#pragma unroll
      for (int i = 0; i < 4; ++i) values[i] = __fmaf_rn(shared.values[w][r][element + i], factor, values[i]);
    }
    if (item < total) leave_values(args, piece, r, element, all, values);
  }
}

// The last block of a cluster: the pieces of all rows, in their order. As attention_join.cu adds them up.
DEVICE void join_cluster(const Args& args, const Piece& piece) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const ClusterRoom room = cluster_room();
  const int lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < tile.count * QK_HEAD_DIM; i += QK_WARPS * 32) {
    const int r = i / QK_HEAD_DIM, element = i % QK_HEAD_DIM;  // one row for all lanes of a warp
    State part = {NOTHING, 0};
    if (lane < cut.count) part = {room.state_of(lane, r)[0], room.state_of(lane, r)[1]};
    const Weights weights = weigh<32>(part);
    const float value = sum_parts(room.value_of(0, r) + element, QK_ROWS * QK_HEAD_DIM, cut.count, weights.factor);
    const i64 at = row_number(args, sequence, tile, r) * QK_HEAD_DIM + element;
    store_out(args.out + at * bytes_of(QK_DTYPE), finished(value, weights.all, sink_of(args, tile.head_of(args, r))));
  }
}

// Asks for the keys of a later step, so that its loads find them in the L2.
DEVICE void prefetch_step(const Args& args, const Piece& piece, int key) {
  constexpr int LINE = 128;
  const int lane = threadIdx.x % 32, at = key + lane / 2;
  if (at >= piece.keys.last) return;
  const i64 slot = slot_of(args, piece.sequence, at);
  if (slot == NOWHERE) return;
  const char* k = args.k + piece.tile.kv_head * args.k_head_stride + slot * args.k_token_stride;
  const char* v = args.v + piece.tile.kv_head * args.v_head_stride + slot * args.v_token_stride;
#pragma unroll
  for (int line = 0; line < QK_HEAD_DIM * 2; line += 2 * LINE) {
    const int part = line + lane % 2 * LINE;
    if (part >= QK_HEAD_DIM * 2) continue;
    prefetch_line(k + part);
    if constexpr (WITH_VALUES) prefetch_line(v + part);
  }
}

constexpr int AHEAD = 3;  // steps that are asked for

DEVICE void absorb_piece(const Args& args, const Piece& piece, Shared& shared) {
  constexpr int TURN = QK_WARPS * STEP;
  const int begin = piece.keys.first + static_cast<int>(threadIdx.x) / 32 * STEP;
  for (int step = 1; step < AHEAD; ++step) prefetch_step(args, piece, begin + step * TURN);
  Row row;
  load_row(args, piece, row);
  for (int key = begin; key < piece.keys.last; key += TURN) {
    prefetch_step(args, piece, key + AHEAD * TURN);
    Step step;
    load_step(args, piece, key, step);
    float scores[2][2];
    score_step(args, row, step, key, scores);
    absorb(row, scores);
    if constexpr (WITH_VALUES) multiply_values(row, step, scores);
  }
  wait_in_cluster();
  share_row(row, shared);
  __syncthreads();
  join_warps(args, piece, shared);
}

extern "C" __global__ void IN_CLUSTERS __launch_bounds__(QK_WARPS * 32, QK_RESIDENT)
    attention_decode(const __grid_constant__ Args args) {
  __shared__ Shared shared;
  allow_successor();
  arrive_in_cluster();  // others may write here
  wait_for_predecessor();
  Piece piece;
  if constexpr (QK_CLUSTER == 0) {
    // Most pieces of a batch are empty, and the same blocks go over all.
    const u32 total = args.blocks * args.kv_heads * args.batch;
    for (u32 index = blockIdx.x; index < total; index += gridDim.x) {
      if (!find_piece(args, index, piece) || piece.number >= piece.cut.count) continue;
      absorb_piece(args, piece, shared);
      __syncthreads();
    }
  } else {
    const bool there = find_piece(args, blockIdx.x, piece);
    if (there && piece.number < piece.cut.count) absorb_piece(args, piece, shared);
    else wait_in_cluster();
    if (!there || piece.cut.count == 1) return;
    arrive_in_cluster();  // all is written
    if (piece.number < QK_CLUSTER - 1) return;
    wait_in_cluster();
    join_cluster(args, piece);
  }
}
