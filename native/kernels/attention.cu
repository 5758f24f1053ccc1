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
// The macros: attention_pieces.cuh.

constexpr int CHUNKS = (QK_HEAD_DIM + CHUNK - 1) / CHUNK;
DEVICE constexpr int lanes_for(int chunks) {
  int lanes = 1;
  while (lanes < 32 && lanes < chunks) lanes *= 2;
  return lanes;
}
constexpr int LANES = lanes_for(CHUNKS);                   // that share a key
constexpr int HELD = (CHUNKS + LANES - 1) / LANES;         // chunks of a lane
constexpr int AT_ONCE = 32 / LANES;                        // keys that a warp loads by one instruction
// As lanes hold what a cache has.
constexpr int CACHED = QK_CACHE != E4M3 ? QK_CACHE : QK_HF ? QK_DTYPE : F32;
constexpr int LOADS = CACHED == F32 || LANES < 16 ? 2 : 4;  // in flight, of k and of v
constexpr int STEP = AT_ONCE * LOADS;
constexpr int ELEMENTS = HELD * CHUNK;                     // of a lane
constexpr int ROW_ELEMENTS = CHUNKS * CHUNK;

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

// The same of a key or a value.
DEVICE Row<CACHED> load_cached_row(const char* row, int c, float scale) {
  if constexpr (QK_CACHE != E4M3) {
    return load_row<CACHED, QK_CACHE_ALIGN>(row, c);
  } else {
    Row<CACHED> held;
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      const int count = filled(c, j);
      held.chunk[j] = load_cached<E4M3, CACHED, QK_CACHE_ALIGN>(row + (count > 0 ? c + j * LANES : 0) * CHUNK, count, scale);
    }
    return held;
  }
}

// Two neighbouring elements of a key or a value, as the arithmetic takes them.
DEVICE void cached_pair(const Row<CACHED>& row, int j, int pair, float& a, float& b) {
  get_pair(row.chunk[j], pair, a, b);
  if constexpr (QK_HF && CACHED != QK_DTYPE) round_pair<QK_DTYPE>(a, b);
}

DEVICE float dot(const float (&q)[ELEMENTS], const Row<CACHED>& key) {
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

DEVICE void add_value(float (&values)[ELEMENTS], float weight, const Row<CACHED>& value) {
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

DEVICE void load_rows(const Args& args, const Piece& piece, int c, Rows& rows) {
  const auto& [sequence, tile, cut, number, keys] = piece;
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
DEVICE void absorb(const Args& args, int key, const Row<CACHED> (&k)[LOADS], const Row<CACHED> (&v)[LOADS],
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

DEVICE void absorb_piece(const Args& args, const Piece& piece, Rows& rows) {
  const auto& [sequence, tile, cut, number, mine] = piece;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = lane % LANES;
  const char* keys = args.k + tile.kv_head * args.k_head_stride;
  const char* values = args.v + tile.kv_head * args.v_head_stride;
  for (int key = mine.first + warp * STEP; key < mine.last; key += QK_WARPS * STEP) {
    Row<CACHED> k[LOADS], v[LOADS];
    bool there[LOADS];
    i64 slot[LOADS];
    // What is not there is read from the first slot, so that no load depends on a branch.
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      const int at = key + i * AT_ONCE + lane / LANES;
      slot[i] = at < mine.last ? slot_of(args, sequence, at) : NOWHERE;
      there[i] = slot[i] != NOWHERE;
      if (!there[i]) slot[i] = 0;
    }
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      k[i] = load_cached_row(keys + slot[i] * args.k_token_stride, c, k_scale_of(args, tile.kv_head, slot[i]));
    }
    if constexpr (WITH_VALUES) {
#pragma unroll
      for (int i = 0; i < LOADS; ++i) {
        v[i] = load_cached_row(values + slot[i] * args.v_token_stride, c, v_scale_of(args, tile.kv_head, slot[i]));
      }
    }
#pragma unroll
    for (int r = 0; r < QK_ROWS; ++r) absorb(args, key + lane / LANES, k, v, there, rows, r);
  }
}


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

struct Shared {
  // Rows whose values are joined at a time.
  static constexpr int JOINED = QK_ROWS * QK_WARPS * ROW_ELEMENTS <= 8192 ? QK_ROWS : 1;

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

// Adds up rows [first, first + JOINED) of the tile over the warps, and leaves them in memory: as results where the tile has
// one piece, otherwise for attention_join.cu.
DEVICE void leave_rows(const Args& args, const Piece& piece, const Shared& shared, int first) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  for (int r = first; r < first + Shared::JOINED && r < tile.count; ++r) {
    float factor[QK_WARPS];
    const State all = join_states(shared, r, factor);
    if (threadIdx.x == 0 && (QK_STAGE == ONCE ? cut.count > 1 : QK_STAGE != VALUES)) {
      float* const state = partial_state(args, sequence, tile, cut, r) + 2 * number;
      if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
      state[1] = all.sum;
    }
    if constexpr (!WITH_VALUES) continue;
    for (int element = threadIdx.x; element < QK_HEAD_DIM; element += QK_WARPS * 32) {
      float value = 0;
#pragma unroll
      for (int w = 0; w < QK_WARPS; ++w) value += shared.values[w][r - first][element] * factor[w];
      if (cut.count > 1) {
        partial_values(args, first_slot(args, sequence, tile, cut, r) + number)[element] = value;
        continue;
      }
      if constexpr (QK_STAGE == ONCE) value = finished(value, all, sink_of(args, tile.head_of(args, r)));
      const i64 at = row_number(args, sequence, tile, r) * QK_HEAD_DIM + element;
      store_out(args.out + at * bytes_of(QK_DTYPE), value);
    }
  }
}

DEVICE void join_block(const Args& args, const Piece& piece, const Rows& rows) {
  __shared__ Shared shared;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = lane % LANES;
#pragma unroll
  for (int first = 0; first < QK_ROWS; first += shared.JOINED) {
    if (first > 0) __syncthreads();
    if (lane / LANES == 0) {
#pragma unroll
      for (int r = first; r < first + shared.JOINED; ++r) {
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
    leave_rows(args, piece, shared, first);
  }
}

extern "C" __global__ void __launch_bounds__(QK_WARPS * 32) attention(const __grid_constant__ Args args) {
  allow_successor();
  wait_for_predecessor();
  Piece piece;
  if (!find_piece(args, blockIdx.x, piece) || piece.number >= piece.cut.count) return;
  Rows rows;
  load_rows(args, piece, threadIdx.x % LANES, rows);
  absorb_piece(args, piece, rows);
  join_warp(rows);
  join_block(args, piece, rows);
}
