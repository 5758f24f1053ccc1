// Grouped-query attention of many queries on the tensor cores (after Dao 2023): a block takes a tile of rows and goes over
// their keys, which are copied into shared memory while the tile before them is worked on. Products and sums are in f32;
// the probabilities enter the second product in the 16 bits of QK_DTYPE, which rounding hf asks for anyway.
//
// With rounding hf a block goes over the keys once for the largest score and the sum, and once more for the values; with
// sinks once again in between (attention.cu says why).
//
// Keys that no row of the tile sees are not read. One that another row of the tile sees adds zero times its value.
//
// QK_WARPS        of a block
// QK_WARP_TILES   tiles of 16 rows of a warp; QK_ROWS = 16 * QK_WARPS * QK_WARP_TILES
// QK_KEYS         taken at a time: 32 or 64
// the others: attention_span.cuh; QK_CACHE is QK_DTYPE, of 16 bits, or e4m3, QK_HEAD_DIM a multiple of 8, all
// 16-byte aligned, e4m3 8-byte

constexpr int ONCE = 0, STATES = 1, SUMS = 2, VALUES = 3;

constexpr int THREADS = QK_WARPS * 32;
constexpr int STEPS = (QK_HEAD_DIM + 15) / 16;            // of 16 elements of the head dim
constexpr int ROW_CHUNKS = 2 * STEPS;                     // of 16 bytes, that are read
constexpr int ROW_BYTES = (QK_HEAD_DIM + 63) / 64 * 128;  // in shared memory
constexpr int KEY_TILES = QK_KEYS / 8;
constexpr int WARP_ROWS = 16 * QK_WARP_TILES;
constexpr bool HELD_QUERIES = QK_WARP_TILES == 1;         // in registers; otherwise read again for each tile of keys

// Chunks are placed so that eight rows of one column lie in different banks.
DEVICE char* chunk_at(char* rows, int row, int chunk) { return rows + row * ROW_BYTES + ((chunk ^ (row & 7)) << 4); }

struct Rooms {
  char* queries;
  char* stages;
  __device__ __forceinline__ char* keys(int stage) const { return stages + stage * 2 * QK_KEYS * ROW_BYTES; }
  __device__ __forceinline__ char* values(int stage) const { return keys(stage) + QK_KEYS * ROW_BYTES; }
};

DEVICE void copy_queries(const Args& args, const Sequence& sequence, const Tile& tile, const Rooms& rooms) {
  for (int i = threadIdx.x; i < QK_ROWS * ROW_CHUNKS; i += THREADS) {
    const int r = i / ROW_CHUNKS, chunk = i % ROW_CHUNKS;
    const bool there = r < tile.count && chunk * CHUNK < QK_HEAD_DIM;
    const i64 token = sequence.first_token + (there ? tile.token_of(args, r) : 0);
    const i64 head = there ? tile.head_of(args, r) : 0;
    const char* from = args.q + token * args.q_token_stride + head * args.q_head_stride + (there ? chunk : 0) * 16;
    copy_async(chunk_at(rooms.queries, r, chunk), from, there ? 16 : 0);
  }
}

// QK_KEYS rows of k or v from key `first` on; zeros behind the last. Those of e4m3 become QK_DTYPE on the way.
template <bool VALUES_OF>
DEVICE void copy_rows(const Args& args, const Sequence& sequence, u32 kv_head, int first, int last, char* to) {
  const char* const head = VALUES_OF ? args.v + kv_head * args.v_head_stride : args.k + kv_head * args.k_head_stride;
  const i64 stride = VALUES_OF ? args.v_token_stride : args.k_token_stride;
  for (int i = threadIdx.x; i < QK_KEYS * ROW_CHUNKS; i += THREADS) {
    const int row = i / ROW_CHUNKS, chunk = i % ROW_CHUNKS, key = first + row;
    i64 slot = key < last && chunk * CHUNK < QK_HEAD_DIM ? slot_of(args, sequence, key) : NOWHERE;
    const bool there = slot != NOWHERE;
    if (!there) slot = 0;
    if constexpr (QK_CACHE == E4M3) {
      const float scale = VALUES_OF ? v_scale_of(args, kv_head, slot) : k_scale_of(args, kv_head, slot);
      const char* const from = head + slot * stride + (there ? chunk : 0) * CHUNK;
      const auto eight = load_cached<E4M3, QK_DTYPE, 8>(from, there ? CHUNK : 0, scale);
      u32* const words = reinterpret_cast<u32*>(chunk_at(to, row, chunk));
#pragma unroll
      for (int i = 0; i < 4; ++i) words[i] = eight.word[i];
    } else {
      copy_async(chunk_at(to, row, chunk), head + slot * stride + (there ? chunk : 0) * 16, there ? 16 : 0);
    }
  }
}

// What a lane has of the rows of its warp: row group + 8 * half of each tile.
struct Rows {
  u32 q[HELD_QUERIES ? STEPS : 1][4];
  Keys seen[QK_WARP_TILES][2];
  Keys shared;  // keys that all rows of the warp see
  State state[QK_WARP_TILES][2];
  float values[QK_WARP_TILES][2 * STEPS][4];
};

using Scores = float[QK_WARP_TILES][KEY_TILES][4];

DEVICE void load_query(const Rooms& rooms, int tile, int step, u32 (&a)[4]) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row = warp * WARP_ROWS + tile * 16 + lane % 16;
  load_matrices<4>(a, chunk_at(rooms.queries, row, 2 * step + lane / 16));
}

// Products of the queries with all keys of a stage.
DEVICE void multiply_keys(const Rooms& rooms, int stage, const Rows& rows, Scores& scores) {
  const int lane = threadIdx.x % 32;
  char* const keys = rooms.keys(stage);
#pragma unroll
  for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
#pragma unroll
    for (int n = 0; n < KEY_TILES; ++n) {
#pragma unroll
      for (float& score : scores[tile][n]) score = 0;
    }
  }
#pragma unroll
  for (int step = 0; step < STEPS; ++step) {
    u32 a[QK_WARP_TILES][4];
#pragma unroll
    for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
      if constexpr (HELD_QUERIES) {
#pragma unroll
        for (int i = 0; i < 4; ++i) a[tile][i] = rows.q[step][i];
      } else {
        load_query(rooms, tile, step, a[tile]);
      }
    }
#pragma unroll
    for (int n = 0; n < KEY_TILES; n += 2) {
      u32 b[4];  // of keys n * 8 and of the eight behind them, elements 0 to 7 and 8 to 15 of the step
      load_matrices<4>(b, chunk_at(keys, n * 8 + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2));
#pragma unroll
      for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
        multiply_16x8x16<QK_DTYPE>(scores[tile][n], a[tile], {b[0], b[1]});
        multiply_16x8x16<QK_DTYPE>(scores[tile][n + 1], a[tile], {b[2], b[3]});
      }
    }
  }
}

// values += probabilities * v.
DEVICE void multiply_values(const Rooms& rooms, int stage, const Scores& scores, Rows& rows) {
  const int lane = threadIdx.x % 32;
  char* const values = rooms.values(stage);
#pragma unroll
  for (int k = 0; k < QK_KEYS / 16; ++k) {
    u32 a[QK_WARP_TILES][4];
#pragma unroll
    for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&score)[4] = scores[tile][2 * k + i / 2];
        a[tile][i] = pack<QK_DTYPE>(score[i % 2 * 2], score[i % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int n = 0; n < 2 * STEPS; n += 2) {
      u32 b[4];  // keys 0 to 7 and 8 to 15 of the step, of elements n * 8 and of the eight behind them
      load_matrices_transposed<4>(b, chunk_at(values, k * 16 + lane % 16, n + lane / 16));
#pragma unroll
      for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
        multiply_16x8x16<QK_DTYPE>(rows.values[tile][n], a[tile], {b[0], b[1]});
        multiply_16x8x16<QK_DTYPE>(rows.values[tile][n + 1], a[tile], {b[2], b[3]});
      }
    }
  }
}

// What four lanes have of a row, together.
DEVICE float largest_of_row(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffu, value, 2));
}
DEVICE float sum_of_row(float value) {
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  return value + __shfl_xor_sync(0xffffffffu, value, 2);
}

// Products become scores, and those that a row does not see NOTHING.
DEVICE void score_keys(const Args& args, int first, const Rows& rows, Scores& scores) {
  const int pair = threadIdx.x % 4 * 2;
  const bool whole = first >= rows.shared.first && first + QK_KEYS <= rows.shared.last;
#pragma unroll
  for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
#pragma unroll
    for (int n = 0; n < KEY_TILES; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[tile][n][i] = score_of(args, scores[tile][n][i]);
    }
  }
  if (whole) return;
#pragma unroll
  for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
#pragma unroll
    for (int n = 0; n < KEY_TILES; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = first + n * 8 + pair + i % 2;
        const Keys& seen = rows.seen[tile][i / 2];
        if (key < seen.first || key >= seen.last) scores[tile][n][i] = NOTHING;
      }
    }
  }
}

// Takes the scores in, and leaves in their place what the values are multiplied by.
template <int PASS>
DEVICE void absorb(Scores& scores, Rows& rows) {
#pragma unroll
  for (int tile = 0; tile < QK_WARP_TILES; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      State& state = rows.state[tile][half];
      if constexpr (PASS == ONCE || PASS == STATES) {
        float largest = NOTHING;
#pragma unroll
        for (int n = 0; n < KEY_TILES; ++n) {
          largest = fmaxf(largest, fmaxf(scores[tile][n][2 * half], scores[tile][n][2 * half + 1]));
        }
        largest = fmaxf(largest_of_row(largest), state.largest);
        const float kept = power_of(state.largest - base_of(largest));
        state = {largest, state.sum * kept};
        if constexpr (PASS == ONCE) {
#pragma unroll
          for (int n = 0; n < 2 * STEPS; ++n) {
            rows.values[tile][n][2 * half] *= kept;
            rows.values[tile][n][2 * half + 1] *= kept;
          }
        }
      }
      const float base = base_of(state.largest);
      // A row that saw nothing keeps zeros: each of its powers is zero.
      const float divisor = PASS == VALUES && state.sum != 0 ? state.sum : 1;
#pragma unroll
      for (int n = 0; n < KEY_TILES; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          float power = power_of(lowered(scores[tile][n][i], base));
          if constexpr (PASS == VALUES) power = power / divisor;
          else state.sum += power;
          scores[tile][n][i] = power;
        }
      }
    }
  }
}

// Once over all keys of the tile.
template <int PASS>
DEVICE void go_over_keys(const Args& args, const Sequence& sequence, const Tile& tile, const Keys& seen,
                         const Rooms& rooms, Rows& rows) {
  constexpr bool WITH_VALUES = PASS == ONCE || PASS == VALUES;
  const auto copy = [&](int first, int stage) {
    copy_rows<false>(args, sequence, tile.kv_head, first, seen.last, rooms.keys(stage));
    if (WITH_VALUES) copy_rows<true>(args, sequence, tile.kv_head, first, seen.last, rooms.values(stage));
    commit_copies();
  };
  __syncthreads();  // a pass before this one has read all
  if (seen.first < seen.last) copy(seen.first, 0);
  int stage = 0;
  for (int first = seen.first; first < seen.last; first += QK_KEYS, stage ^= 1) {
    wait_for_copies<0>();
    __syncthreads();
    if (first + QK_KEYS < seen.last) copy(first + QK_KEYS, stage ^ 1);
    if constexpr (HELD_QUERIES) {
      if (first == seen.first) {
#pragma unroll
        for (int step = 0; step < STEPS; ++step) load_query(rooms, 0, step, rows.q[step]);
      }
    }
    Scores scores;
    multiply_keys(rooms, stage, rows, scores);
    score_keys(args, first, rows, scores);
    absorb<PASS>(scores, rows);
    if constexpr (WITH_VALUES) multiply_values(rooms, stage, scores, rows);
  }
}

DEVICE void start_rows(const Args& args, const Sequence& sequence, const Tile& tile, Rows& rows) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, last = (warp + 1) * WARP_ROWS - 1;
  rows.shared = {0, 0};
  if (last < tile.count) {
    rows.shared.first = seen_from(args, sequence, sequence.own(tile.token_of(args, last))).first;
    rows.shared.last = seen_from(args, sequence, sequence.own(tile.token_of(args, warp * WARP_ROWS))).last;
  }
#pragma unroll
  for (int t = 0; t < QK_WARP_TILES; ++t) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int r = warp * WARP_ROWS + t * 16 + half * 8 + lane / 4;
      rows.seen[t][half] = {0, 0};
      if (r < tile.count) rows.seen[t][half] = seen_from(args, sequence, sequence.own(tile.token_of(args, r)));
      rows.state[t][half] = {NOTHING, 0};
    }
#pragma unroll
    for (int n = 0; n < 2 * STEPS; ++n) {
#pragma unroll
      for (float& value : rows.values[t][n]) value = 0;
    }
  }
}

// Calls `body(row of the tile, tile of the warp, half)` for the rows that exist of this lane.
template <class Body>
DEVICE void each_row(const Tile& tile, const Body& body) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
  for (int t = 0; t < QK_WARP_TILES; ++t) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int r = warp * WARP_ROWS + t * 16 + half * 8 + lane / 4;
      body(r < tile.count ? r : tile.count - 1, r < tile.count, t, half);
    }
  }
}

DEVICE void store_rows(const Args& args, const Sequence& sequence, const Tile& tile, const Rows& rows) {
  const int pair = threadIdx.x % 4 * 2;
  each_row(tile, [&](int r, bool there, int t, int half) {
    State state = rows.state[t][half];
    float factor = 1;
    if constexpr (!QK_HF) {
      state.sum = sum_of_row(state.sum);
      const State all = joined(state, {sink_of(args, tile.head_of(args, r)), QK_SINKS < 0 ? 0.0f : 1.0f});
      factor = all.sum == 0 ? 0 : power_of(state.largest - base_of(all.largest)) / all.sum;
    }
    if (!there) return;
    char* const out = args.out + row_number(args, sequence, tile, r) * QK_HEAD_DIM * bytes_of(QK_DTYPE);
#pragma unroll
    for (int n = 0; n < 2 * STEPS; ++n) {
      if (n * 8 >= QK_HEAD_DIM) continue;
      const float(&values)[4] = rows.values[t][n];
      const u32 word = pack<QK_DTYPE>(values[2 * half] * factor, values[2 * half + 1] * factor);
      store_words<1>(out + (n * 8 + pair) * bytes_of(QK_DTYPE), &word);
    }
  });
}

// What the first pass of hf found becomes what its last one needs: the state with the sink in it.
template <bool AGAIN>
DEVICE void join_sinks(const Args& args, const Tile& tile, Rows& rows) {
  each_row(tile, [&](int r, bool, int t, int half) {
    State& state = rows.state[t][half];
    const float sink = sink_of(args, tile.head_of(args, r));
    if constexpr (AGAIN) {
      state.sum = sum_of_row(state.sum) + power_of(lowered(sink, state.largest));
    } else if constexpr (QK_SINKS >= 0) {
      state = {fmaxf(state.largest, sink), 0};
    } else {
      state.sum = sum_of_row(state.sum);
    }
  });
}

extern "C" __global__ void __launch_bounds__(QK_WARPS * 32) attention_prefill(const __grid_constant__ Args args) {
  allow_successor();
  // The last tiles see the most keys: they start first.
  Tile tile;
  tile.kv_head = blockIdx.x % args.kv_heads;
  const u32 index = blockIdx.x / args.kv_heads, number = args.blocks - 1 - index % args.blocks;
  wait_for_predecessor();
  const Sequence sequence = sequence_of(args, index / args.blocks);
  tile.first = number * QK_ROWS;
  const int left = sequence.queries * static_cast<int>(args.group) - tile.first;
  if (left <= 0 || !is_long(args, sequence)) return;
  tile.count = left < QK_ROWS ? left : QK_ROWS;
  const Keys seen = seen_by_rows(args, sequence, tile.first, tile.count);
  const Rooms rooms = {dynamic_shared(), dynamic_shared() + QK_ROWS * ROW_BYTES};
  Rows rows;
  start_rows(args, sequence, tile, rows);
  copy_queries(args, sequence, tile, rooms);
  if constexpr (QK_HF) {
    go_over_keys<STATES>(args, sequence, tile, seen, rooms, rows);
    join_sinks<false>(args, tile, rows);
    if constexpr (QK_SINKS >= 0) {
      go_over_keys<SUMS>(args, sequence, tile, seen, rooms, rows);
      join_sinks<true>(args, tile, rows);
    }
    go_over_keys<VALUES>(args, sequence, tile, seen, rooms, rows);
  } else {
    go_over_keys<ONCE>(args, sequence, tile, seen, rooms, rows);
  }
  store_rows(args, sequence, tile, rows);
}
