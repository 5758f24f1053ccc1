// Attention of decode_steps.cu: the norm and rotation of q and k, the write of k and v, a piece of the keys of a key/value head
// in each block, and then what the pieces of a head come to. As qk_norm_rope.cu, attention_decode.cu and attention_join.cu one
// after the other, bit for bit.
//
// Every block of a key/value head makes its q itself. The block with the last keys has the token's own, and puts back what q, k
// and v became; what they were is not in memory, but told by the products before.

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

enum Which : u32 { Q, K, V };

// One of the three warps that bring q, k and v of a key/value head.
struct HeadWarp {
  heads::Affine affine;
  heads::Angles angles[heads::TURNING];

  // Before they are there: what no step writes.
  __device__ __forceinline__ void prepare(const DecodeArgs& args, const DecodeStep& step, u32 which, u32 lane) {
    const bool there = which != V && lane < LANES_OF_HEAD;
    const char* weight = step.at[6 + (which & 1)] + lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
    if constexpr (QK_WEIGHT) heads::load_held<QK_WEIGHT_DTYPE, 16>(affine.weight, weight, lane, there);
    const u32 position = room().position;
    const i64 row = static_cast<i64>(position < args.places ? position : args.places - 1) * (4 * heads::HALF);
    if constexpr (QK_HALF > 0) heads::load_turns(angles, args.cos + row, args.sin + row, lane, there);
  }

  // Into shared memory; with `last` back to where the tensor is, too.
  __device__ __forceinline__ void bring(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane, bool last) {
    const bool there = lane < LANES_OF_HEAD;
    const i64 stride = which == Q ? args.q_head_stride : which == K ? args.k_head_stride : args.v_head_stride;
    const u32 head = which == Q ? kv_head * args.group : kv_head;
    const int left = !there ? 0 : which == Q ? static_cast<int>(args.group) : 1;
    heads::Row rows[heads::ROWS];
    hear_rows(telling_of(args).from(step.words[which] + head * (stride / 4)), stride / 4, left, lane, rows);
    if (which != V) {
      if constexpr (QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
      if constexpr (QK_HEAD_NORM) heads::normalize(rows, affine, which == Q ? args.q_eps : args.k_eps, lane);
      if constexpr (!QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
    }
    AttentionRoom& to = attention_room();
#pragma unroll
    for (int r = 0; r < heads::ROWS; ++r) {
      if (r >= left) continue;
      Held& held = which == Q ? to.q[r][lane] : which == K ? to.k[lane] : to.v[lane];
      held.chunk = rows[r].chunk[0];
    }
    if (last) heads::store_rows(rows, const_cast<char*>(step.at[which]) + head * stride + lane * 16, stride, left, lane);
  }

  // Rows that lie `stride` words apart, of which `left` exist; zeros stand for the others.
  __device__ __forceinline__ static void hear_rows(const Telling& told, i64 stride, int left, u32 lane,
                                                   heads::Row (&rows)[heads::ROWS]) {
    for (bool missing = true; missing;) {
      missing = false;
#pragma unroll
      for (int r = 0; r < heads::ROWS; ++r) {
        if (r < left) missing |= !told.hear(static_cast<u32>(r * stride) + 4 * lane, rows[r].chunk[0].word);
        else for (u32& word : rows[r].chunk[0].word) word = 0;
      }
      if (missing) look_again();
    }
    __syncwarp();
  }
};

// Puts the key of the token in place of what the cache had at its slot when the step was loaded.
DEVICE void patch_key(attend::Step& step, int key, int own) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    if (key + 8 * n + lane / 4 != own) continue;
#pragma unroll
    for (int j = 0; j < attend::QUARTERS; ++j) {
      const Held& from = attention_room().k[4 * j + lane % 4];
#pragma unroll
      for (int i = 0; i < 4; ++i) step.k[n][j][i] = from.chunk.word[i];
    }
  }
}

// The same of the value.
DEVICE void patch_value(attend::Step& step, int key, int own) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < 4; ++n) {
    if (key + n / 2 * 8 + lane % 4 * 2 + n % 2 != own) continue;
#pragma unroll
    for (int h = 0; h < attend::HALVES; ++h) {
      const Held& from = attention_room().v[8 * h + lane / 4];
#pragma unroll
      for (int i = 0; i < 4; ++i) step.v[n][h][i] = from.chunk.word[i];
    }
  }
}

DEVICE void load_query(attend::Row& row, int count) {
  const int lane = threadIdx.x % 32, r = lane / 4 < count ? lane / 4 : 0;
#pragma unroll
  for (int j = 0; j < attend::QUARTERS; ++j) {
    const Held& from = attention_room().q[r][4 * j + lane % 4];
#pragma unroll
    for (int i = 0; i < 4; ++i) row.q[j][i] = from.chunk.word[i];
  }
}

// Writes the key and the value to the token's slot.
DEVICE void write_slot(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane) {
  const u32 slot = room().slot;
  if (slot >= args.capacity || lane >= LANES_OF_HEAD) return;
  const i64 at = which == K ? slot * args.k_token_stride + kv_head * args.k_cache_head_stride
                            : slot * args.v_token_stride + kv_head * args.v_cache_head_stride;
  const Held& from = which == K ? attention_room().k[lane] : attention_room().v[lane];
  store_chunk<QK_DTYPE, 16>(const_cast<char*>(step.at[which + 2]) + at + lane * 16, from.chunk);
}

// The warps that bring q, k and v of a piece, as the others wait for them.
DEVICE void bring_heads(const DecodeArgs& args, const DecodeStep& step, const attend::Piece& piece, u32 which) {
  const u32 lane = threadIdx.x % 32, kv_head = piece.tile.kv_head;
  const bool last = piece.number == piece.cut.count - 1;
  if (which == Q || (which <= V && (last || attention_room().own >= 0))) {
    HeadWarp head;
    head.prepare(args, step, which, lane);
    head.bring(args, step, kv_head, which, lane, last);
    __syncwarp();
    if (which != Q && last) write_slot(args, step, kv_head, which, lane);
  }
  meet();
  if constexpr (QK_HF) meet();
  meet();
}

// The stage that multiplies values (attention_pieces.cuh). With hf, that of the states is in front of it.
constexpr int LAST_STAGE = QK_HF ? attend::VALUES : attend::ONCE;

// The scores of a step, as the launch of attention by itself has them.
DEVICE void score(const attend::Args& a, const attend::Row& row, const attend::Step& keys, int key, float (&scores)[2][2]) {
  if constexpr (QK_IN_HALVES) attend::score_in_halves(a, row, keys.k, key, scores);
  else attend::score_step(a, row, keys, key, scores);
}

// Over all pieces, before the first probability is rounded: the largest score and the sum of each row. The scores of the piece's
// first step, and keys for those behind it.
DEVICE void find_whole(const attend::Args& a, const attend::Piece& piece, const TellPiece& leave, attend::Row& row, int begin,
                       const float (&scores)[2][2]) {
  constexpr int TURN = QK_WARPS * attend::STEP;
  const int own = attention_room().own;
  if (begin < piece.keys.last) {
    float powers[2][2] = {{scores[0][0], scores[0][1]}, {scores[1][0], scores[1][1]}};
    attend::absorb_scores<attend::STATES>(row, powers);
  }
  for (int key = begin + TURN; key < piece.keys.last; key += TURN) {
    attend::Step keys;
    float powers[2][2];
    attend::load_keys(a, piece, key, keys);
    if (own >= 0) patch_key(keys, key, own);
    score(a, row, keys, key, powers);
    attend::absorb_scores<attend::STATES>(row, powers);
  }
  attend::Shared& shared = attention_room().joined;
  attend::share_row<attend::STATES>(row, shared);
  meet();
  attend::join_warps<attend::STATES>(a, piece, shared, leave);
  if (piece.cut.count > 1) {
    row.whole = hear_whole(a, piece, leave.pieces);
    return;
  }
  const attend::State all = attend::weigh_warps(shared).all;
  const int from = min(static_cast<int>(threadIdx.x) % 32 / 4, QK_ROWS - 1) * QK_WARPS;
  row.whole = attend::joined({NOTHING, 0}, {__shfl_sync(0xffffffffu, all.largest, from), __shfl_sync(0xffffffffu, all.sum, from)});
}

// The warps that go over the keys of a piece.
DEVICE void absorb_keys(const attend::Args& a, const attend::Piece& piece, const TellPiece& leave) {
  constexpr int TURN = QK_WARPS * attend::STEP;
  const int begin = piece.keys.first + static_cast<int>(threadIdx.x) / 32 * attend::STEP;
  const int own = attention_room().own;
  attend::Step keys;  // while q, k and v are brought
  float scores[2][2];
  if (begin < piece.keys.last) attend::load_keys(a, piece, begin, keys), attend::load_values(a, piece, begin, keys);
  meet();
  attend::Row row;
  load_query(row, piece.tile.count);
  attend::begin_row(a, piece, row);
  if (begin < piece.keys.last) {
    if (own >= 0) patch_key(keys, begin, own);
    score(a, row, keys, begin, scores);
    attend::clear_missing(a, piece, begin, keys);
    if (own >= 0) patch_value(keys, begin, own);
  }
  if constexpr (QK_HF) find_whole(a, piece, leave, row, begin, scores);
  if (begin < piece.keys.last) {
    attend::absorb_scores<LAST_STAGE>(row, scores);  // there are no values yet: registers are left for these keys'
    attend::clear_values(row);
    attend::multiply_values(row, keys, scores);
  }
  // From here on there are no registers for keys and values at the same time.
  for (int key = begin + TURN; key < piece.keys.last; key += TURN) {
    attend::load_keys(a, piece, key, keys);
    if (own >= 0) patch_key(keys, key, own);
    load_query(row, piece.tile.count);
    score(a, row, keys, key, scores);
    attend::load_values(a, piece, key, keys);
    attend::clear_missing(a, piece, key, keys);
    if (own >= 0) patch_value(keys, key, own);
    attend::absorb<LAST_STAGE>(row, scores);
    attend::multiply_values(row, keys, scores);
  }
  attend::share_row<LAST_STAGE>(row, attention_room().joined);
  meet();
  attend::join_warps<LAST_STAGE>(a, piece, attention_room().joined, leave);
}

// Asks for the keys of the block's piece, and for the gains of q and k. One warp.
DEVICE void prefetch_attention(const DecodeArgs& args, const DecodeStep& step) {
  if (!attention_room().has_piece) return;
  const attend::Args a = piece_args(args, step);
  const attend::Piece& piece = attention_room().piece;
  for (int key = piece.keys.first; key < piece.keys.last; key += attend::STEP) attend::prefetch_step(a, piece, key);
  constexpr u32 LINE = 128;
  const u32 at = threadIdx.x % 32 / 2 * LINE;
  const char* const weight = step.at[6 + threadIdx.x % 2];
  if (QK_WEIGHT && at < QK_HEAD_DIM * bytes_of(QK_WEIGHT_DTYPE)) prefetch_line(weight + at);
}

DEVICE void run_attention(const DecodeArgs& args, const DecodeStep& step) {
  const attend::Args a = attention_args(args, step);
  const TellPiece told = {telling_of(args).from(step.words[4]), telling_of(args).from(step.words[3])};
  const u32 warp = threadIdx.x / 32;
  const attend::Piece& piece = attention_room().piece;
  clear_piece(a, told.pieces);
  if (attention_room().has_piece) {
    if (warp < QK_WARPS) absorb_keys(piece_args(args, step), piece, told);
    else bring_heads(args, step, piece, warp - QK_WARPS);
  }
  if (attention_room().cut.count > 1) join_pieces(a, attention_room().cut, told);
}
