// Attention of decode_steps.cu: the norm and rotation of q and k, the write of k and v, a piece of the keys of a key/value head
// in each block, and then what the pieces of a head come to. As qk_norm_rope.cu, attention_decode.cu and attention_join.cu one
// after the other, bit for bit.
//
// Every block of a key/value head makes its q itself. The block with the last keys has the token's own, and puts back what q, k
// and v became; what they were is not in memory, but told by the products before.

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
