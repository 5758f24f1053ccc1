// What the kernels share that take one piece of the keys of one tile in a block: which piece a block takes, and how what
// its warps have is joined, in one order.
//
// QK_STAGE   0: all at once, rounding once. With hf, one launch each: 1 largest scores and sums, 2 (with sinks) sums again
//            over what is lowered by the largest score and rounded, 3 values
// QK_WARPS   warps of a block
// QK_CLUSTER   cluster.cuh: its last block adds up the pieces. 0: they go to memory, for attention_join.cu
// the others: attention_span.cuh

constexpr int ONCE = 0, STATES = 1, SUMS = 2, VALUES = 3;

constexpr bool WITH_VALUES = QK_STAGE == ONCE || QK_STAGE == VALUES;

struct Piece {
  Sequence sequence;
  Tile tile;
  Cut cut;
  int number;
  Keys keys;
};

// The piece of this block; false: there is no such tile. A piece past those that its tile's keys are cut into is empty, and
// nobody's work. Waits for the kernel before, whose results say how many there are.
DEVICE bool find_piece(const Args& args, Piece& piece) {
  u32 index = blockIdx.x, tile = 0;
  if constexpr (QK_CLUSTER > 0) {  // the pieces of a tile are the blocks of a cluster
    piece.number = index % QK_CLUSTER;
    index /= QK_CLUSTER;
    piece.tile.kv_head = index % args.kv_heads;
    index /= args.kv_heads;
    tile = index % args.blocks;
    index /= args.blocks;
  } else {
    // The first tiles of a sequence have the most pieces: tile t of one that reaches it shares them with t others.
    piece.tile.kv_head = index % args.kv_heads;
    u32 number = index / args.kv_heads % args.blocks;
    index = index / args.kv_heads / args.blocks;
    for (u32 most; tile < args.pieces && number >= (most = most_pieces(args, tile + 1)); ++tile) number -= most;
    if (tile == args.pieces) tile += number, number = 0;
    piece.number = number;
  }
  wait_for_predecessor();
  piece.sequence = sequence_of(args, index);
  piece.tile.first = tile * QK_ROWS;
  const int left = piece.sequence.queries * static_cast<int>(args.group) - piece.tile.first;
  if (left <= 0 || is_long(args, piece.sequence)) return false;
  piece.tile.count = left < QK_ROWS ? left : QK_ROWS;
  const Keys seen = seen_by_rows(args, piece.sequence, piece.tile.first, piece.tile.count);
  piece.cut = cut_of(args, piece.sequence, seen);
  piece.keys.first = seen.first + piece.number * piece.cut.keys;
  piece.keys.last = piece.keys.first + piece.cut.keys;
  if (piece.keys.last > seen.last) piece.keys.last = seen.last;
  return true;
}

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

// ---- joining ----

template <int ELEMENTS>
struct Shared {
  // Rows whose values are joined at a time.
  static constexpr int JOINED = QK_ROWS * QK_WARPS * ELEMENTS <= 8192 ? QK_ROWS : 1;

  State state[QK_WARPS][QK_ROWS];
  float values[QK_WARPS][JOINED][ELEMENTS];
};

// The factor of each warp's values, and the state of all.
template <class Room>
DEVICE State join_states(const Room& shared, int r, float (&factor)[QK_WARPS]) {
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

// What the pieces of a tile leave for the last block of their cluster, in its dynamic shared memory.
struct ClusterRoom {
  float* values;  // [pieces, QK_ROWS, head dim]
  float* states;  // [pieces, QK_ROWS, 2]

  __device__ __forceinline__ float* value_of(int piece, int r) const {
    return values + (piece * QK_ROWS + r) * QK_HEAD_DIM;
  }
  __device__ __forceinline__ float* state_of(int piece, int r) const { return states + (piece * QK_ROWS + r) * 2; }
};

DEVICE ClusterRoom cluster_room() {
  float* const room = reinterpret_cast<float*>(dynamic_shared());
  return {room, room + QK_CLUSTER * QK_ROWS * QK_HEAD_DIM};
}

// Adds up rows [first, first + JOINED) of the tile over the warps, and leaves them where they go: as results where the tile
// has one piece, to the last block of the cluster, or to memory for attention_join.cu.
template <class Room>
DEVICE void leave_rows(const Args& args, const Piece& piece, const Room& shared, int first) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  for (int r = first; r < first + Room::JOINED && r < tile.count; ++r) {
    float factor[QK_WARPS];
    const State all = join_states(shared, r, factor);
    if (threadIdx.x == 0 && (QK_STAGE == ONCE ? cut.count > 1 : QK_STAGE != VALUES)) {
      if constexpr (QK_CLUSTER > 0) {
        float* const state = cluster_room().state_of(number, r);
        store_to_block(state, QK_CLUSTER - 1, all.largest);
        store_to_block(state + 1, QK_CLUSTER - 1, all.sum);
      } else {
        float* const state = partial_state(args, sequence, tile, cut, r) + 2 * number;
        if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
        state[1] = all.sum;
      }
    }
    if constexpr (!WITH_VALUES) continue;
    for (int element = threadIdx.x; element < QK_HEAD_DIM; element += QK_WARPS * 32) {
      float value = 0;
#pragma unroll
      for (int w = 0; w < QK_WARPS; ++w) value += shared.values[w][r - first][element] * factor[w];
      if (cut.count == 1) {
        finish_row(args, row_number(args, sequence, tile, r), tile.head_of(args, r), all, element, value);
      } else if constexpr (QK_CLUSTER > 0) {
        store_to_block(cluster_room().value_of(number, r) + element, QK_CLUSTER - 1, value);
      } else {
        partial_values(args, first_slot(args, sequence, tile, cut, r) + number)[element] = value;
      }
    }
  }
}

// The last block of a cluster: the pieces of all rows, in their order.
DEVICE void join_cluster(const Args& args, const Piece& piece) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const ClusterRoom room = cluster_room();
  for (int i = threadIdx.x; i < tile.count * QK_HEAD_DIM; i += QK_WARPS * 32) {
    const int r = i / QK_HEAD_DIM, element = i % QK_HEAD_DIM, head = tile.head_of(args, r);
    State all = {sink_of(args, head), QK_SINKS < 0 ? 0.0f : 1.0f};
    for (int p = 0; p < cut.count; ++p) all = joined(all, {room.state_of(p, r)[0], room.state_of(p, r)[1]});
    float value = 0;
    for (int p = 0; p < cut.count; ++p) {
      value += room.value_of(p, r)[element] * power_of(room.state_of(p, r)[0] - base_of(all.largest));
    }
    value = all.sum == 0 ? 0 : value / all.sum;
    store_out(args.out + (row_number(args, sequence, tile, r) * QK_HEAD_DIM + element) * bytes_of(QK_DTYPE), value);
  }
}
