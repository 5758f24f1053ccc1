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
// Where the cache is of e4m3, a lane loads 8 bytes for the 16 and makes the same of them.
//
// QK_CACHE is QK_DTYPE, of 16 bits, or e4m3; QK_HEAD_DIM a multiple of 64 up to 256; all 16-byte aligned, e4m3 8-byte; QK_ROWS 8 at most.
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

DEVICE void clear_values(Row& row) {
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (float& value : row.values[h][i]) value = 0;
    }
  }
}

// A row of nothing yet, but for its q.
DEVICE void begin_row(const Args& args, const Piece& piece, Row& row) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const int r = static_cast<int>(threadIdx.x) % 32 / 4;
  const bool there = r < tile.count;
  const int token = tile.token_of(args, there ? r : 0), head = tile.head_of(args, there ? r : 0);
  row.seen = {0, 0};
  if (there) row.seen = seen_from(args, sequence, sequence.own(token));
  row.state = {NOTHING, 0};
  if constexpr (QK_STAGE == SUMS || QK_STAGE == VALUES) {
    const float* states = partial_state(args, sequence, tile, cut, there ? r : 0);
    row.whole = whole_state(states, cut.count, sink_of(args, head));
  }
  clear_values(row);
}

DEVICE void load_row(const Args& args, const Piece& piece, Row& row) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const int lane = threadIdx.x % 32, r = lane / 4;
  const bool there = r < tile.count;
  const int token = tile.token_of(args, there ? r : 0), head = tile.head_of(args, there ? r : 0);
  const char* from = args.q + (sequence.first_token + token) * args.q_token_stride + head * args.q_head_stride;
#pragma unroll
  for (int j = 0; j < QUARTERS; ++j) load_words<4>(from + (32 * j + 8 * (lane % 4)) * 2, row.q[j]);
  begin_row(args, piece, row);
}

constexpr int CACHE_BYTES = cache_bytes_of(QK_CACHE);

// Eight elements of a key or a value.
DEVICE void load_eight(const char* from, float scale, u32 (&words)[4]) {
  if constexpr (QK_CACHE == E4M3) {
    const auto chunk = load_cached<E4M3, QK_DTYPE, 8>(from, CHUNK, scale);
#pragma unroll
    for (int i = 0; i < 4; ++i) words[i] = chunk.word[i];
  } else {
    load_words<4>(from, words);
  }
}

// The keys of a step as products take them.
struct Step {
  u32 k[2][QUARTERS][4];
  u32 v[4][HALVES][4];
};

DEVICE void load_keys(const Args& args, const Piece& piece, int key, Step& step) {
  const int lane = threadIdx.x % 32;
  const char* keys = args.k + piece.tile.kv_head * args.k_head_stride;
  // What is not there is read from the first slot, so that no load depends on a branch.
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    const int at = key + 8 * n + lane / 4;
    const i64 found = at < piece.keys.last ? slot_of(args, piece.sequence, at) : NOWHERE;
    const i64 slot = found == NOWHERE ? 0 : found;
    const char* from = keys + slot * args.k_token_stride + lane % 4 * 8 * CACHE_BYTES;
    const float scale = k_scale_of(args, piece.tile.kv_head, slot);
#pragma unroll
    for (int j = 0; j < QUARTERS; ++j) load_eight(from + 32 * j * CACHE_BYTES, scale, step.k[n][j]);
  }
}

// The slots of keys 2 * pair..+1 and 2 * pair + 8..+9 of a step; NOWHERE: not there.
DEVICE void value_slots(const Args& args, const Piece& piece, int key, i64 (&slots)[4]) {
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const int at = key + n / 2 * 8 + threadIdx.x % 4 * 2 + n % 2;
    slots[n] = at < piece.keys.last ? slot_of(args, piece.sequence, at) : NOWHERE;
  }
}

DEVICE void load_values(const Args& args, const Piece& piece, int key, Step& step) {
  const int lane = threadIdx.x % 32;
  const char* values = args.v + piece.tile.kv_head * args.v_head_stride;
  i64 slots[4];
  value_slots(args, piece, key, slots);
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    const i64 slot = slots[n] == NOWHERE ? 0 : slots[n];
    const char* from = values + slot * args.v_token_stride + lane / 4 * 8 * CACHE_BYTES;
    const float scale = v_scale_of(args, piece.tile.kv_head, slot);
#pragma unroll
    for (int h = 0; h < HALVES; ++h) load_eight(from + 64 * h * CACHE_BYTES, scale, step.v[n][h]);
  }
}

// Zeros in place of values that are not there: what lies there may be no number. It waits for the values.
DEVICE void clear_missing(const Args& args, const Piece& piece, int key, Step& step) {
  i64 slots[4];
  value_slots(args, piece, key, slots);
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    if (slots[n] != NOWHERE) continue;
#pragma unroll
    for (int h = 0; h < HALVES; ++h) {
#pragma unroll
      for (u32& word : step.v[n][h]) word = 0;
    }
  }
}

DEVICE void load_step(const Args& args, const Piece& piece, int key, Step& step) {
  load_keys(args, piece, key, step);
  if constexpr (!WITH_VALUES) return;
  load_values(args, piece, key, step);
  clear_missing(args, piece, key, step);
}

// The score of the lane's row with a key of which it may see nothing.
DEVICE float score_at(const Args& args, const Row& row, float dot, int key) {
  const float score = score_of(args, dot);
  return key >= row.seen.first && key < row.seen.last ? score : NOTHING;
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
      scores[n][i] = score_at(args, row, c[i], key + 8 * n + threadIdx.x % 4 * 2 + i);
    }
  }
}

// As score_step, but that the 16 rows of a product have both halves of the row's q, and of each product half is of use: so q is
// in as many registers as it has words, and no product waits for more than QUARTERS others.
DEVICE void score_in_halves(const Args& args, const Row& row, const u32 (&k)[2][QUARTERS][4], int key, float (&scores)[2][2]) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    float low[4] = {0, 0, 0, 0}, high[4] = {0, 0, 0, 0};
#pragma unroll
    for (int j = 0; j < QUARTERS; ++j) {
      const u32 q[4] = {row.q[j][0], row.q[j][2], row.q[j][1], row.q[j][3]};
      multiply_16x8x16<QK_DTYPE>(low, q, {k[n][j][0], k[n][j][1]});
      multiply_16x8x16<QK_DTYPE>(high, q, {k[n][j][2], k[n][j][3]});
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      scores[n][i] = score_at(args, row, low[i] + high[2 + i], key + 8 * n + threadIdx.x % 4 * 2 + i);
    }
  }
}

// Takes the scores in, and leaves in their place what the values are multiplied by. What was there before counts so much as is
// returned.
template <int STAGE = QK_STAGE>
DEVICE float absorb_scores(Row& row, float (&scores)[2][2]) {
  State& state = row.state;
  float kept = 1;
  if constexpr (STAGE == ONCE || STAGE == STATES) {
    float largest = fmaxf(fmaxf(scores[0][0], scores[0][1]), fmaxf(scores[1][0], scores[1][1]));
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
    largest = fmaxf(largest, state.largest);
    kept = power_of(state.largest - base_of(largest));
    state = {largest, state.sum * kept};
  } else {
    state.largest = row.whole.largest;
  }
  const float base = base_of(state.largest);
  const float divisor = STAGE == VALUES && row.whole.sum != 0 ? row.whole.sum : 1;
#pragma unroll
  for (int n = 0; n < 2; ++n) {
#pragma unroll
    for (float& score : scores[n]) {
      float power = power_of(lowered(score, base));
      if constexpr (STAGE == VALUES) power = power / divisor;
      else state.sum += power;
      score = power;
    }
  }
  return kept;
}

template <int STAGE = QK_STAGE>
DEVICE void absorb(Row& row, float (&scores)[2][2]) {
  const float kept = absorb_scores<STAGE>(row, scores);
  if constexpr (STAGE != ONCE) return;
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (float& value : row.values[h][i]) value *= kept;
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
  for (int line = 0; line < QK_HEAD_DIM * CACHE_BYTES; line += 2 * LINE) {
    const int part = line + lane % 2 * LINE;
    if (part >= QK_HEAD_DIM * CACHE_BYTES) continue;
    prefetch_line(k + part);
    if constexpr (WITH_VALUES) prefetch_line(v + part);
  }
}
