// What the kernels share that take one piece of the keys of one tile in a block: which piece a block takes, and how what
// its warps have is joined, in one order.
//
// QK_STAGE   0: all at once, rounding once. With hf, one launch each: 1 largest scores and sums, 2 (with sinks) sums again
//            over what is lowered by the largest score and rounded, 3 values
// QK_WARPS   warps of a block
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

// The piece of this block; false: there is none. Waits for the kernel before, whose results say so.
DEVICE bool find_piece(const Args& args, Piece& piece) {
  // The first tiles of a sequence have the most pieces: tile t of one that reaches it shares them with t others.
  u32 index = blockIdx.x, tile = 0;
  piece.tile.kv_head = index % args.kv_heads;
  index /= args.kv_heads;
  const u32 sequence = index / args.blocks;
  index %= args.blocks;
  for (u32 most; tile < args.pieces && index >= (most = most_pieces(args, tile + 1)); ++tile) index -= most;
  if (tile == args.pieces) tile += index, index = 0;
  piece.number = index;
  wait_for_predecessor();
  piece.sequence = sequence_of(args, sequence);
  piece.tile.first = tile * QK_ROWS;
  const int left = piece.sequence.queries * static_cast<int>(args.group) - piece.tile.first;
  if (left <= 0 || is_long(args, piece.sequence)) return false;
  piece.tile.count = left < QK_ROWS ? left : QK_ROWS;
  const Keys seen = seen_by_rows(args, piece.sequence, piece.tile.first, piece.tile.count);
  piece.cut = cut_of(args, piece.sequence, seen);
  piece.keys.first = seen.first + piece.number * piece.cut.keys;
  piece.keys.last = piece.keys.first + piece.cut.keys;
  if (piece.keys.last > seen.last) piece.keys.last = seen.last;
  return piece.number < piece.cut.count;
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

// Adds up rows [first, first + JOINED) of the tile over the warps, and leaves them in memory: as results where the tile has
// one piece, otherwise for attention_join.cu.
template <class Room>
DEVICE void leave_rows(const Args& args, const Piece& piece, const Room& shared, int first) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  for (int r = first; r < first + Room::JOINED && r < tile.count; ++r) {
    float factor[QK_WARPS];
    const State all = join_states(shared, r, factor);
    if (threadIdx.x == 0 && (QK_STAGE == ONCE ? cut.count > 1 : QK_STAGE != VALUES)) {
      float* state = partial_state(args, sequence, tile, cut, r) + 2 * number;
      if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
      state[1] = all.sum;
    }
    if constexpr (WITH_VALUES) {
      for (int element = threadIdx.x; element < QK_HEAD_DIM; element += QK_WARPS * 32) {
        float value = 0;
#pragma unroll
        for (int w = 0; w < QK_WARPS; ++w) value += shared.values[w][r - first][element] * factor[w];
        if (cut.count > 1) partial_values(args, first_slot(args, sequence, tile, cut, r) + number)[element] = value;
        else finish_row(args, row_number(args, sequence, tile, r), tile.head_of(args, r), all, element, value);
      }
    }
  }
}
