// Attention of decode_steps.cu: the norm and rotation of q and k, the write of k and v, and a piece of the keys of a
// key/value head in each block. As qk_norm_rope.cu and attention_decode.cu one after the other, bit for bit.
//
// Every block of a key/value head makes its q itself, and the block with the last keys writes k and v. What q and k were is
// read by all of them, so that block puts back what they became only when the grid has met once more.

constexpr u32 LANES_OF_HEAD = QK_HEAD_DIM / CHUNK, GROUP_ROWS = QK_ROWS;

struct AttentionRoom {
  attend::Shared joined;
  Held q[GROUP_ROWS][LANES_OF_HEAD], k[LANES_OF_HEAD], v[LANES_OF_HEAD];
};

// Behind Room, where no product has anything.
DEVICE AttentionRoom& attention_room() {
  return *reinterpret_cast<AttentionRoom*>(dynamic_shared() + QK_SLOTS * QK_SLOT + (sizeof(Room) + 15) / 16 * 16);
}

DEVICE attend::Args attention_args(const DecodeArgs& args, const DecodeStep& step) {
  attend::Args a{};
  a.k = step.at[3], a.v = step.at[4], a.out = const_cast<char*>(step.at[5]);
  a.partial = args.partial, a.lengths = &room().position;
  a.k_token_stride = args.k_token_stride, a.k_head_stride = args.k_cache_head_stride;
  a.v_token_stride = args.v_token_stride, a.v_head_stride = args.v_cache_head_stride;
  a.scale = args.scale, a.soft_cap = args.soft_cap;
  a.tokens = 1, a.group = args.group, a.kv_heads = args.kv_heads, a.capacity = args.capacity;
  a.window = args.window, a.chunk = args.chunk, a.pieces = args.pieces, a.least_keys = args.least_keys;
  a.blocks = args.pieces, a.page_size = 1, a.pages_per_sequence = 1, a.batch = 1;
  return a;
}

// One of the three warps that bring q, k and v of a key/value head: 0, 1 and 2.
struct HeadWarp {
  heads::Affine affine;
  heads::Angles angles[heads::TURNING];

  // Before the grid meets: what no step writes.
  __device__ __forceinline__ void prepare(const DecodeArgs& args, const DecodeStep& step, u32 which, u32 lane) {
    const bool there = which < 2 && lane < LANES_OF_HEAD;
    const char* weight = step.at[6 + (which & 1)] + lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
    if constexpr (QK_WEIGHT) heads::load_held<QK_WEIGHT_DTYPE, 16>(affine.weight, weight, lane, there);
    const u32 position = room().position;
    const i64 row = static_cast<i64>(position < args.places ? position : args.places - 1) * (4 * heads::HALF);
    if constexpr (QK_HALF > 0) heads::load_turns(angles, args.cos + row, args.sin + row, lane, there);
  }

  __device__ __forceinline__ void bring(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane) {
    const bool there = lane < LANES_OF_HEAD;
    const i64 stride = which == 0 ? args.q_head_stride : which == 1 ? args.k_head_stride : args.v_head_stride;
    const u32 head = which == 0 ? kv_head * args.group : kv_head;
    const int left = !there ? 0 : which == 0 ? static_cast<int>(args.group) : 1;
    heads::Row rows[heads::ROWS];
    heads::load_rows(rows, step.at[which] + head * stride + lane * 16, stride, left, lane);
    if (which < 2) {
      if constexpr (QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
      if constexpr (QK_HEAD_NORM) heads::normalize(rows, affine, which == 0 ? args.q_eps : args.k_eps, lane);
      if constexpr (!QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
    }
    AttentionRoom& to = attention_room();
#pragma unroll
    for (int r = 0; r < heads::ROWS; ++r) {
      if (r >= left) continue;
      Held& held = which == 0 ? to.q[r][lane] : which == 1 ? to.k[lane] : to.v[lane];
      held.chunk = rows[r].chunk[0];
    }
  }
};

// Puts the key and the value of the token in place of what the cache had at its slot when the step was loaded.
DEVICE void patch(attend::Step& step, int key, int own) {
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

// What a block still has to put back of a step: q and k of a head as they became.
struct PutBack {
  const DecodeStep* step = nullptr;
  u32 kv_head = 0;

  // After the grid has met once more.
  __device__ __forceinline__ void run(const DecodeArgs& args) {
    if (step == nullptr) return;
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const AttentionRoom& from = attention_room();
    if (warp == 0 && lane < LANES_OF_HEAD) {
#pragma unroll
      for (u32 r = 0; r < GROUP_ROWS; ++r) {
        if (r >= args.group) continue;
        char* const to = const_cast<char*>(step->at[0]) + (kv_head * args.group + r) * args.q_head_stride;
        store_chunk<QK_DTYPE, 16>(to + lane * 16, from.q[r][lane].chunk);
      }
      store_chunk<QK_DTYPE, 16>(const_cast<char*>(step->at[1]) + kv_head * args.k_head_stride + lane * 16, from.k[lane].chunk);
    }
    step = nullptr;
  }
};

// Writes the key and the value to the token's slot.
DEVICE void write_slot(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane) {
  const u32 slot = room().position;
  if (slot >= args.capacity || lane >= LANES_OF_HEAD) return;
  const i64 at = which == 1 ? slot * args.k_token_stride + kv_head * args.k_cache_head_stride
                            : slot * args.v_token_stride + kv_head * args.v_cache_head_stride;
  const Held& from = which == 1 ? attention_room().k[lane] : attention_room().v[lane];
  store_chunk<QK_DTYPE, 16>(const_cast<char*>(step.at[which + 2]) + at + lane * 16, from.chunk);
}

// The warps that bring q, k and v of a piece, as the others wait for them.
template <class Wait>
DEVICE void bring_heads(const DecodeArgs& args, const DecodeStep& step, const attend::Piece& piece, u32 which, Wait wait) {
  const u32 lane = threadIdx.x % 32, kv_head = piece.tile.kv_head;
  HeadWarp head;
  if (which < 3) head.prepare(args, step, which, lane);
  wait();
  if (which < 3) {
    head.bring(args, step, kv_head, which, lane);
    __syncwarp();
    if (which > 0 && piece.number == piece.cut.count - 1) write_slot(args, step, kv_head, which, lane);
  }
  meet();
  meet();
}

// The warps that go over the keys of a piece.
template <class Wait>
DEVICE void absorb_keys(const attend::Args& a, const attend::Piece& piece, Wait wait) {
  constexpr int TURN = QK_WARPS * attend::STEP, AHEAD = 3;
  const int begin = piece.keys.first + static_cast<int>(threadIdx.x) / 32 * attend::STEP;
  const bool last = piece.number == piece.cut.count - 1;
  for (int step = 0; step < AHEAD; ++step) attend::prefetch_step(a, piece, begin + step * TURN);
  wait();
  attend::Step keys;  // while q, k and v are brought
  if (begin < piece.keys.last) attend::load_step(a, piece, begin, keys);
  meet();
  attend::Row row;
  load_query(row, piece.tile.count);
  attend::begin_row(a, piece, row);
  for (int key = begin; key < piece.keys.last; key += TURN) {
    attend::prefetch_step(a, piece, key + AHEAD * TURN);
    if (key != begin) attend::load_step(a, piece, key, keys);
    if (last) patch(keys, key, piece.sequence.own(0));
    float scores[2][2];
    attend::score_step(a, row, keys, key, scores);
    attend::absorb(row, scores);
    attend::multiply_values(row, keys, scores);
  }
  attend::share_row(row, attention_room().joined);
  meet();
  attend::join_warps(a, piece, attention_room().joined);
}

// `wait` waits for the step before. There are as many blocks as pieces, at least.
template <class Wait>
DEVICE void run_attention(const DecodeArgs& args, const DecodeStep& step, PutBack& put_back, Wait wait) {
  const attend::Args a = attention_args(args, step);
  const u32 warp = threadIdx.x / 32;
  attend::Piece piece;
  if (blockIdx.x >= args.kv_heads * args.pieces || !attend::find_piece(a, blockIdx.x, piece) || piece.number >= piece.cut.count) {
    wait();
    return;
  }
  if (warp < QK_WARPS) absorb_keys(a, piece, wait);
  else bring_heads(args, step, piece, warp - QK_WARPS, wait);
  if (piece.number == piece.cut.count - 1) put_back.step = &step, put_back.kv_head = piece.tile.kv_head;
}

// ---- what the pieces come to ----

// The pieces of one head, as attention_join.cu adds them up, 4 neighbouring elements to a lane and 128 to a turn.
struct HeadPieces {
  attend::Cut cut;
  const float* values;
  attend::State state;  // of the lane's piece

  __device__ __forceinline__ void find(const attend::Args& a, const attend::Sequence& sequence, u32 head, u32 lane) {
    const attend::Tile tile = {head / a.group, 0, static_cast<int>(a.group)};
    const int r = head % a.group;
    cut = attend::cut_of(a, sequence, attend::seen_by_rows(a, sequence, 0, tile.count));
    values = attend::partial_values(a, attend::first_slot(a, sequence, tile, cut, r));
    const float* states = attend::partial_state(a, sequence, tile, cut, r);
    state = {NOTHING, 0};
    if (static_cast<int>(lane) < cut.count) state = {states[2 * lane], states[2 * lane + 1]};
  }
};

// Attention's result as a product's x: joined from the pieces, or read where there was one of each head.
DEVICE void take_attended(const DecodeArgs& args, const DecodeStep& attention) {
  const attend::Args a = attention_args(args, attention);
  const attend::Sequence sequence = attend::sequence_of(a, 0);
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, heads_of_all = args.kv_heads * args.group;
  constexpr u32 FOURS = QK_HEAD_DIM / 4, AT_ONCE = 4;
  for (u32 head = warp; head < heads_of_all; head += WARPS) {
    HeadPieces pieces;
    pieces.find(a, sequence, head, lane);
    char* const out = a.out + head * QK_HEAD_DIM * bytes_of(QK_DTYPE);
    if (pieces.cut.count == 1) {
      if (lane < LANES_OF_HEAD) room().x[head * LANES_OF_HEAD + lane].chunk = load_chunk<QK_DTYPE, 16>(out + lane * 16);
      continue;
    }
    float values[(FOURS + 31) / 32][4] = {};
    const attend::Weights weights = attend::weigh<32>(pieces.state);
    for (int first = 0; first < pieces.cut.count; first += AT_ONCE) {
      u32 part[AT_ONCE][(FOURS + 31) / 32][4];
#pragma unroll
      for (int p = 0; p < AT_ONCE; ++p) {
#pragma unroll
        for (u32 f = 0; f < (FOURS + 31) / 32; ++f) {
          const int piece = min(first + p, pieces.cut.count - 1);
          const u32 four = min(lane + 32 * f, FOURS - 1);
          load_words<4>(reinterpret_cast<const char*>(pieces.values + piece * QK_HEAD_DIM + 4 * four), part[p][f]);
        }
      }
#pragma unroll
      for (int p = 0; p < AT_ONCE; ++p) {
        const float weight = __shfl_sync(0xffffffffu, weights.factor, (first + p) % 32);
        if (first + p >= pieces.cut.count) continue;
#pragma unroll
        for (u32 f = 0; f < (FOURS + 31) / 32; ++f) {
#pragma unroll
          for (int i = 0; i < 4; ++i) values[f][i] = __fmaf_rn(__uint_as_float(part[p][f][i]), weight, values[f][i]);
        }
      }
    }
#pragma unroll
    for (u32 f = 0; f < (FOURS + 31) / 32; ++f) {
      if (lane + 32 * f >= FOURS) continue;
      for (float& value : values[f]) value = attend::finished(value, weights.all, NOTHING);
      const u32 words[2] = {pack<QK_DTYPE>(values[f][0], values[f][1]), pack<QK_DTYPE>(values[f][2], values[f][3])};
      const u32 at = (lane + 32 * f) * 4;
      u32* const to = room().x[head * LANES_OF_HEAD + at / CHUNK].chunk.word + at % CHUNK / 2;
      to[0] = words[0], to[1] = words[1];
      if (head % gridDim.x == blockIdx.x) store_words<2>(out + at * bytes_of(QK_DTYPE), words);
    }
  }
  meet();
}
