// What a block of decode_steps.cu keeps for all its attentions: its piece of the keys of a key/value head, and the pages where it
// lies. The same in every layer.

constexpr u32 LANES_OF_HEAD = QK_HEAD_DIM / CHUNK;

// Pages of a piece that stay at hand; of those behind them the table is read.
constexpr int PIECE_PAGES = 128;

struct AttentionRoom {
  attend::Shared joined;
  Held q[GROUP_ROWS][LANES_OF_HEAD], k[LANES_OF_HEAD], v[LANES_OF_HEAD];
  // Of every attention: how keys are cut, this block's piece, and which of its keys the token is; -1: none.
  attend::Cut cut;
  attend::Piece piece;
  bool has_piece;
  int own;
  // From the piece's first page on, as many as there is room for.
  int pages[QK_PAGED ? PIECE_PAGES : 1];
};

constexpr u32 ROOM_BYTES = QK_SLOTS * QK_SLOT + (sizeof(Room) + 15) / 16 * 16;
static_assert(ROOM_BYTES + sizeof(AttentionRoom) <= QK_SHARED, "a block has room for all");

// Behind Room, where no product has anything.
DEVICE AttentionRoom& attention_room() {
  return *reinterpret_cast<AttentionRoom*>(dynamic_shared() + ROOM_BYTES);
}

DEVICE attend::Args attention_args(const DecodeArgs& args, const DecodeStep& step) {
  attend::Args a{};
  a.k = step.at[3], a.v = step.at[4], a.out = const_cast<char*>(step.at[5]);
  a.lengths = &room().keys, a.query_starts = room().starts;
  a.k_token_stride = args.k_token_stride, a.k_head_stride = args.k_cache_head_stride;
  a.v_token_stride = args.v_token_stride, a.v_head_stride = args.v_cache_head_stride;
  a.scale = args.scale, a.soft_cap = args.soft_cap;
  a.tokens = 1, a.group = args.group, a.kv_heads = args.kv_heads, a.capacity = args.capacity;
  a.window = args.window, a.chunk = args.chunk, a.pieces = args.pieces, a.least_keys = args.least_keys;
  a.blocks = args.pieces, a.batch = 1;
  a.page_size = args.page_size, a.pages_per_sequence = args.pages_per_sequence, a.pages = args.pages;
  return a;
}

// One thread; then __syncthreads(). There are as many blocks as pieces, at least.
DEVICE void find_piece_of_block(const DecodeArgs& args) {
  AttentionRoom& to = attention_room();
  const attend::Args a = attention_args(args, args.steps[0]);
  const attend::Sequence sequence = attend::sequence_of(a, 0);
  to.cut = attend::cut_of(a, sequence, attend::seen_by_rows(a, sequence, 0, static_cast<int>(a.group)));
  const bool there = blockIdx.x < a.kv_heads * a.pieces && attend::find_piece(a, blockIdx.x, to.piece);
  to.has_piece = there && to.piece.number < to.piece.cut.count;
  const bool last = to.has_piece && to.piece.number == to.piece.cut.count - 1;
  to.own = last && static_cast<u32>(room().slot) < args.capacity ? sequence.own(0) : -1;
}

// The pages of the block's piece, and the key among them that lies in the token's slot: mostly the last one of the last piece, but
// that is for the tables to say. No two keys that a token sees share a slot. One warp.
DEVICE void find_pages_of_block(const DecodeArgs& args) {
  AttentionRoom& to = attention_room();
  if (!to.has_piece) return;
  const int lane = threadIdx.x % 32, size = args.page_size, slot = room().slot;
  const attend::Keys& keys = to.piece.keys;
  const int first = keys.first / size, count = keys.count() == 0 ? 0 : (keys.last - 1) / size - first + 1;
  int own = -1;
  for (int i = lane; i < count; i += 32) {
    const int page = args.pages[first + i], key = (first + i) * size + slot % size;
    if (i < PIECE_PAGES) to.pages[i] = page;
    if (page == slot / size && key >= keys.first && key < keys.last) own = key;
  }
  own = __reduce_max_sync(0xffffffffu, own);
  if (lane == 0) to.own = static_cast<u32>(slot) < args.capacity ? own : -1;
}

// The arguments of a block's own piece, whose pages are at hand if all are.
DEVICE attend::Args piece_args(const DecodeArgs& args, const DecodeStep& step) {
  attend::Args a = attention_args(args, step);
  if constexpr (QK_PAGED) {
    const attend::Keys& keys = attention_room().piece.keys;
    const int first = keys.first / static_cast<int>(a.page_size);
    const bool at_hand = keys.last <= (first + PIECE_PAGES) * static_cast<int>(a.page_size);
    if (at_hand) a.pages = attention_room().pages - first;
  }
  return a;
}
