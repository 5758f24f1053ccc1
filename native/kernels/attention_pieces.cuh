// What the kernels share that take one piece of the keys of one tile in a block: which piece a block takes.
//
// QK_STAGE   0: all at once, rounding once. With hf, one launch each: 1 largest scores and sums, 2 (with sinks) sums again
//            over what is lowered by the largest score and rounded, 3 values
// QK_WARPS   warps of a block
// QK_CLUSTER   cluster.cuh: its last block adds up the pieces. 0: they go to memory, for attention_join.cu
// the others: attention_span.cuh

constexpr int ONCE = 0, STATES = 1, SUMS = 2, VALUES = 3;

DEVICE constexpr bool with_values(int stage) { return stage == ONCE || stage == VALUES; }
constexpr bool WITH_VALUES = with_values(QK_STAGE);

struct Piece {
  Sequence sequence;
  Tile tile;
  Cut cut;
  int number;
  Keys keys;
};

// Piece `index` of all that a launch may have; false: there is no such tile. A piece past those that its tile's keys are cut
// into is empty, and nobody's work. The kernel before, whose results say how many there are, has ended.
DEVICE bool find_piece(const Args& args, u32 index, Piece& piece) {
  u32 tile = 0;
  if constexpr (QK_CLUSTER > 0) {  // the pieces of a tile are the blocks of a cluster
    piece.number = index % QK_CLUSTER;
    index /= QK_CLUSTER;
  }
  piece.tile.kv_head = index % args.kv_heads;
  index /= args.kv_heads;
  const u32 sequence = index % args.batch;
  index /= args.batch;
  if constexpr (QK_CLUSTER > 0) {
    tile = index;
  } else {
    // The first tiles of a sequence have the most pieces: tile t of one that reaches it shares them with t others.
    for (u32 most; tile < args.pieces && index >= (most = most_pieces(args, tile + 1)); ++tile) index -= most;
    if (tile == args.pieces) tile += index, index = 0;
    piece.number = index;
  }
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
