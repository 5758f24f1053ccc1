// Grouped-query attention over a cache, the general way: any dtype, head dim and rounding, in f32 on the plain cores.
// A block takes one piece of the keys of one tile (attention_span.cuh), so each key is read once for all rows of it. A
// group of LANES lanes has a chunk of 8 elements of a key each; the groups of a block take keys in turns, each with a
// softmax of its own as it goes along (Milakov and Gimelshein 2018), which are joined at the end in one order. Several
// pieces leave their sums in memory, and attention_join.cu adds them up.
//
// With rounding hf a probability is rounded after its division by the sum, so none is known before the last score: the
// keys are gone through once for the largest score and the sum, and once more for the values.
//
// Keys that a query does not see cannot reach it, not even as NaN.
//
// QK_STAGE   0: all at once, rounding once. With hf, one launch each: 1 largest scores and sums, 2 (with sinks) sums again
//            over what is lowered by the largest score and rounded, 3 values
// QK_WARPS   warps of a block
// the others: attention_span.cuh

constexpr int ONCE = 0, STATES = 1, SUMS = 2, VALUES = 3;

constexpr int CHUNKS = (QK_HEAD_DIM + CHUNK - 1) / CHUNK;
DEVICE constexpr int lanes_for(int chunks) {
  int lanes = 1;
  while (lanes < 32 && lanes < chunks) lanes *= 2;
  return lanes;
}
constexpr int LANES = lanes_for(CHUNKS);                   // that share a key
constexpr int HELD = (CHUNKS + LANES - 1) / LANES;         // chunks of a lane
constexpr int AT_ONCE = 32 / LANES;                        // keys that a warp loads by one instruction
constexpr int LOADS = QK_CACHE == F32 || LANES < 16 ? 2 : 4;  // in flight, of k and of v
constexpr int STEP = AT_ONCE * LOADS;
constexpr int ELEMENTS = HELD * CHUNK;                     // of a lane
constexpr bool WITH_VALUES = QK_STAGE == ONCE || QK_STAGE == VALUES;

// Elements that exist of chunk j of a lane.
DEVICE int filled(int c, int j) {
  const int chunk = c + j * LANES;
  if (QK_HEAD_DIM % CHUNK != 0 && chunk == CHUNKS - 1) return QK_HEAD_DIM % CHUNK;
  return chunk < CHUNKS ? CHUNK : 0;
}

template <int DTYPE>
struct Row {
  Chunk<DTYPE> chunk[HELD];
};

// The part of a row of elements that a lane holds; zeros past its end.
template <int DTYPE, int ALIGN>
DEVICE Row<DTYPE> load_row(const char* row, int c) {
  Row<DTYPE> held;
#pragma unroll
  for (int j = 0; j < HELD; ++j) {
    const int chunk = c + j * LANES, count = filled(c, j);
    const i64 at = static_cast<i64>(count > 0 ? chunk : 0) * CHUNK * bytes_of(DTYPE);
    if constexpr (QK_HEAD_DIM % CHUNK != 0) {
      held.chunk[j] = load_part<DTYPE, ALIGN>(row + at, count);
    } else {
      held.chunk[j] = load_chunk<DTYPE, ALIGN>(row + at);
      if (CHUNKS % LANES != 0 && count == 0) {
        for (u32& word : held.chunk[j].word) word = 0;
      }
    }
  }
  return held;
}

// Two neighbouring elements of a key or a value, as the arithmetic takes them.
DEVICE void cached_pair(const Row<QK_CACHE>& row, int j, int pair, float& a, float& b) {
  get_pair(row.chunk[j], pair, a, b);
  if constexpr (QK_HF && QK_CACHE != QK_DTYPE) round_pair<QK_DTYPE>(a, b);
}

DEVICE float dot(const float (&q)[ELEMENTS], const Row<QK_CACHE>& key) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < ELEMENTS; i += 2) {
    float a, b;
    cached_pair(key, i / CHUNK, i % CHUNK / 2, a, b);
    sum = __fmaf_rn(q[i], a, sum);
    sum = __fmaf_rn(q[i + 1], b, sum);
  }
#pragma unroll
  for (int half = LANES / 2; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  return sum;
}

DEVICE void add_value(float (&values)[ELEMENTS], float weight, const Row<QK_CACHE>& value) {
#pragma unroll
  for (int i = 0; i < ELEMENTS; i += 2) {
    float a, b;
    cached_pair(value, i / CHUNK, i % CHUNK / 2, a, b);
    values[i] = __fmaf_rn(weight, a, values[i]);
    values[i + 1] = __fmaf_rn(weight, b, values[i + 1]);
  }
}

// What a lane knows of the rows of a tile.
struct Rows {
  float q[QK_ROWS][ELEMENTS];
  Keys seen[QK_ROWS];
  State whole[QK_ROWS];  // of all pieces, in the stages that know it
  State state[QK_ROWS];
  float values[QK_ROWS][ELEMENTS];
};

// The state of a row over all its pieces and the sink.
DEVICE State whole_state(const float* states, int pieces, float sink) {
  State whole = {sink, 0};
  for (int piece = 0; piece < pieces; ++piece) {
    if constexpr (QK_SINKS < 0) whole = joined(whole, {states[2 * piece], states[2 * piece + 1]});
    else whole.largest = fmaxf(whole.largest, states[2 * piece]);
  }
  if constexpr (QK_SINKS >= 0) {
    whole.sum = power_of(lowered(sink, whole.largest));
    for (int piece = 0; piece < pieces; ++piece) whole.sum += states[2 * piece + 1];  // as SUMS left them
  }
  return whole;
}

DEVICE void load_rows(const Args& args, const Sequence& sequence, const Tile& tile, const Cut& cut, int c, Rows& rows) {
#pragma unroll
  for (int r = 0; r < QK_ROWS; ++r) {
    const int there = r < tile.count ? r : tile.count - 1, token = tile.token_of(args, there);
    const int head = tile.head_of(args, there);
    const char* row = args.q + (sequence.first_token + token) * args.q_token_stride + head * args.q_head_stride;
    const auto held = load_row<QK_DTYPE, QK_ALIGN>(row, c);
#pragma unroll
    for (int i = 0; i < ELEMENTS; i += 2) {
      get_pair(held.chunk[i / CHUNK], i % CHUNK / 2, rows.q[r][i], rows.q[r][i + 1]);
      rows.values[r][i] = rows.values[r][i + 1] = 0;
    }
    rows.seen[r] = seen_from(args, sequence, sequence.own(token));
    rows.state[r] = {NOTHING, 0};
    if constexpr (QK_STAGE == SUMS || QK_STAGE == VALUES) {
      const float* states = partial_state(args, sequence, tile, cut, there);
      rows.whole[r] = whole_state(states, cut.count, sink_of(args, head));
    }
  }
}

// The keys of one step of a warp, from the group's first, for one row.
DEVICE void absorb(const Args& args, int key, const Row<QK_CACHE> (&k)[LOADS], const Row<QK_CACHE> (&v)[LOADS],
                   const bool (&there)[LOADS], Rows& rows, int r) {
  float score[LOADS];
  bool seen[LOADS];
  State& state = rows.state[r];
  float largest = state.largest;
#pragma unroll
  for (int i = 0; i < LOADS; ++i) {
    const int at = key + i * AT_ONCE;
    score[i] = score_of(args, dot(rows.q[r], k[i]));
    seen[i] = there[i] && at >= rows.seen[r].first && at < rows.seen[r].last;
    if (seen[i]) largest = fmaxf(largest, score[i]);
  }
  if constexpr (QK_STAGE == VALUES) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      if (!seen[i]) continue;
      const float power = power_of(lowered(score[i], base_of(rows.whole[r].largest)));
      add_value(rows.values[r], rounded(power / rows.whole[r].sum), v[i]);
    }
  } else {
    if constexpr (QK_STAGE == SUMS) largest = rows.whole[r].largest;
    const float base = base_of(largest);
    if constexpr (QK_STAGE != SUMS) {
      const float kept = power_of(state.largest - base);
      state.sum *= kept;
      if constexpr (QK_STAGE == ONCE) {
#pragma unroll
        for (float& value : rows.values[r]) value *= kept;
      }
    }
    state.largest = largest;
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      if (!seen[i]) continue;
      const float power = power_of(lowered(score[i], base));
      state.sum += power;
      if constexpr (QK_STAGE == ONCE) add_value(rows.values[r], power, v[i]);
    }
  }
}

DEVICE void absorb_piece(const Args& args, const Sequence& sequence, const Tile& tile, const Keys& piece, Rows& rows) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = lane % LANES;
  const char* keys = args.k + tile.kv_head * args.k_head_stride;
  const char* values = args.v + tile.kv_head * args.v_head_stride;
  for (int key = piece.first + warp * STEP; key < piece.last; key += QK_WARPS * STEP) {
    Row<QK_CACHE> k[LOADS], v[LOADS];
    bool there[LOADS];
    i64 slot[LOADS];
    // What is not there is read from the first slot, so that no load depends on a branch.
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      const int at = key + i * AT_ONCE + lane / LANES;
      slot[i] = at < piece.last ? slot_of(args, sequence, at) : NOWHERE;
      there[i] = slot[i] != NOWHERE;
      if (!there[i]) slot[i] = 0;
    }
#pragma unroll
    for (int i = 0; i < LOADS; ++i) k[i] = load_row<QK_CACHE, QK_CACHE_ALIGN>(keys + slot[i] * args.k_token_stride, c);
    if constexpr (WITH_VALUES) {
#pragma unroll
      for (int i = 0; i < LOADS; ++i) v[i] = load_row<QK_CACHE, QK_CACHE_ALIGN>(values + slot[i] * args.v_token_stride, c);
    }
#pragma unroll
    for (int r = 0; r < QK_ROWS; ++r) absorb(args, key + lane / LANES, k, v, there, rows, r);
  }
}

// ---- joining ----

// Adds up what the groups of a warp have; all of them hold the result.
DEVICE void join_warp(Rows& rows) {
#pragma unroll
  for (int apart = LANES; apart < 32; apart *= 2) {
#pragma unroll
    for (int r = 0; r < QK_ROWS; ++r) {
      State& state = rows.state[r];
      float kept = 1;
      if constexpr (QK_STAGE == ONCE || QK_STAGE == STATES) {
        const float largest = fmaxf(state.largest, __shfl_xor_sync(0xffffffffu, state.largest, apart));
        kept = power_of(state.largest - base_of(largest));
        state.largest = largest;
      }
      const float sum = state.sum * kept;
      state.sum = sum + __shfl_xor_sync(0xffffffffu, sum, apart);
      if constexpr (WITH_VALUES) {
#pragma unroll
        for (float& value : rows.values[r]) {
          const float mine = value * kept;
          value = mine + __shfl_xor_sync(0xffffffffu, mine, apart);
        }
      }
    }
  }
}

constexpr int ROW_ELEMENTS = CHUNKS * CHUNK;
// Rows whose values are joined at a time.
constexpr int JOINED = QK_ROWS * QK_WARPS * ROW_ELEMENTS <= 8192 ? QK_ROWS : 1;

struct Shared {
  State state[QK_WARPS][QK_ROWS];
  float values[QK_WARPS][JOINED][ROW_ELEMENTS];
};

// The factor of each warp's values, and the state of all.
DEVICE State join_states(const Shared& shared, int r, float (&factor)[QK_WARPS]) {
  State all = {NOTHING, 0};
#pragma unroll
  for (int warp = 0; warp < QK_WARPS; ++warp) all.largest = fmaxf(all.largest, shared.state[warp][r].largest);
#pragma unroll
  for (int warp = 0; warp < QK_WARPS; ++warp) {
    const State& state = shared.state[warp][r];
    factor[warp] = QK_STAGE == ONCE || QK_STAGE == STATES ? power_of(state.largest - base_of(all.largest)) : 1;
    all.sum += state.sum * factor[warp];
  }
  return all;
}

// The end of a row that has one piece only.
DEVICE void finish_row(const Args& args, i64 row, int head, State state, int element, float value) {
  if constexpr (QK_STAGE == ONCE) {
    const State all = joined(state, {sink_of(args, head), QK_SINKS < 0 ? 0.0f : 1.0f});
    value *= power_of(state.largest - base_of(all.largest));
    value = all.sum == 0 ? 0 : value / all.sum;
  }
  store_out(args.out + (row * QK_HEAD_DIM + element) * bytes_of(QK_DTYPE), value);
}

DEVICE void join_block(const Args& args, const Sequence& sequence, const Tile& tile, const Cut& cut, int piece,
                       const Rows& rows) {
  __shared__ Shared shared;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = lane % LANES;
#pragma unroll
  for (int first = 0; first < QK_ROWS; first += JOINED) {
    if (first > 0) __syncthreads();
    if (lane / LANES == 0) {
#pragma unroll
      for (int r = first; r < first + JOINED; ++r) {
        if (c == 0) shared.state[warp][r] = rows.state[r];
        if constexpr (WITH_VALUES) {
#pragma unroll
          for (int i = 0; i < ELEMENTS; ++i) {
            if (filled(c, i / CHUNK) > 0)
              shared.values[warp][r - first][(c + i / CHUNK * LANES) * CHUNK + i % CHUNK] = rows.values[r][i];
          }
        }
      }
    }
    __syncthreads();
    for (int r = first; r < first + JOINED && r < tile.count; ++r) {
      float factor[QK_WARPS];
      const State all = join_states(shared, r, factor);
      if (threadIdx.x == 0 && (QK_STAGE == ONCE ? cut.count > 1 : QK_STAGE != VALUES)) {
        float* state = partial_state(args, sequence, tile, cut, r) + 2 * piece;
        if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
        state[1] = all.sum;
      }
      if constexpr (WITH_VALUES) {
        for (int element = threadIdx.x; element < QK_HEAD_DIM; element += QK_WARPS * 32) {
          float value = 0;
#pragma unroll
          for (int w = 0; w < QK_WARPS; ++w) value += shared.values[w][r - first][element] * factor[w];
          if (cut.count > 1) partial_values(args, first_slot(args, sequence, tile, cut, r) + piece)[element] = value;
          else finish_row(args, row_number(args, sequence, tile, r), tile.head_of(args, r), all, element, value);
        }
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(QK_WARPS * 32) attention(const __grid_constant__ Args args) {
  allow_successor();
  // The first tiles of a sequence have the most pieces: tile t of one that reaches it shares them with t others.
  u32 index = blockIdx.x, number = 0;
  Tile tile;
  tile.kv_head = index % args.kv_heads;
  index /= args.kv_heads;
  const u32 batch_index = index / args.blocks;
  index %= args.blocks;
  for (u32 most; number < args.pieces && index >= (most = most_pieces(args, number + 1)); ++number) index -= most;
  if (number == args.pieces) number += index, index = 0;
  const int piece = index;
  wait_for_predecessor();
  const Sequence sequence = sequence_of(args, batch_index);
  tile.first = number * QK_ROWS;
  const int left = sequence.queries * static_cast<int>(args.group) - tile.first;
  if (left <= 0 || is_long(args, sequence)) return;
  tile.count = left < QK_ROWS ? left : QK_ROWS;
  const Keys seen = seen_by_rows(args, sequence, tile.first, tile.count);
  const Cut cut = cut_of(args, sequence, seen);
  if (piece >= cut.count) return;
  Keys mine = {seen.first + piece * cut.keys, seen.first + (piece + 1) * cut.keys};
  if (mine.last > seen.last) mine.last = seen.last;
  Rows rows;
  load_rows(args, sequence, tile, cut, threadIdx.x % LANES, rows);
  absorb_piece(args, sequence, tile, mine, rows);
  join_warp(rows);
  join_block(args, sequence, tile, cut, piece, rows);
}
