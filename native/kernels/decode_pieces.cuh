// What the pieces of an attention of decode_steps.cu leave, and what they come to: as attention_join.cu adds them up, bit for bit.

// Words of the pieces: values and state of each row of each piece of each key/value head.
constexpr u32 GROUP_ROWS = QK_ROWS, PIECE_ROW = QK_HEAD_DIM + 4;

DEVICE u32 piece_words(const attend::Args& a, u32 kv_head, u32 number, u32 r) {
  return ((kv_head * a.pieces + number) * GROUP_ROWS + r) * PIECE_ROW;
}

// Clears the words of a block's piece in the other set, had it one or not: what pieces there are changes from launch to launch.
DEVICE void clear_piece(const attend::Args& a, const Telling& pieces) {
  if (blockIdx.x >= a.kv_heads * a.pieces) return;
  const u32 first = piece_words(a, blockIdx.x % a.kv_heads, blockIdx.x / a.kv_heads, 0);
  for (u32 at = 4 * threadIdx.x; at < GROUP_ROWS * PIECE_ROW; at += 4 * THREADS) pieces.clear_other<4>(first + at);
}

// A piece that is told: to those that add the pieces up, or as what attention leaves where there is one.
struct TellPiece {
  Telling pieces, out;

  __device__ __forceinline__ void state(const attend::Args& a, const attend::Piece& piece, const attend::State& all) const {
    const u32 r = threadIdx.x / QK_WARPS;
    if (piece.cut.count == 1 || threadIdx.x >= 32 || threadIdx.x % QK_WARPS != 0 || r >= static_cast<u32>(piece.tile.count)) return;
    const u32 at = piece_words(a, piece.tile.kv_head, piece.number, r) + QK_HEAD_DIM;
    pieces.tell<2>(at, {__float_as_uint(all.largest), __float_as_uint(all.sum)});
  }

  __device__ __forceinline__ void values(const attend::Args& a, const attend::Piece& piece, int r, int element,
                                         const attend::State& all, float (&values)[4]) const {
    if (piece.cut.count > 1) {
      const u32 at = piece_words(a, piece.tile.kv_head, piece.number, r) + element;
      pieces.tell<4>(at, {__float_as_uint(values[0]), __float_as_uint(values[1]), __float_as_uint(values[2]), __float_as_uint(values[3])});
      return;
    }
    const i64 at = static_cast<i64>(piece.tile.head_of(a, r)) * QK_HEAD_DIM + element;
#pragma unroll
    for (float& value : values) value = QK_HF ? value : attend::finished(value, all, NOTHING);
    const u32 words[2] = {pack<QK_DTYPE>(values[0], values[1]), pack<QK_DTYPE>(values[2], values[3])};
    out.tell(at / 2, words);
    out.clear_other<2>(at / 2);
    store_words<2>(a.out + at * bytes_of(QK_DTYPE), words);
  }
};

// The largest score and the sum of the lane's row over all pieces, in their order, as soon as all blocks have told theirs.
DEVICE attend::State hear_whole(const attend::Args& a, const attend::Piece& piece, const Telling& pieces) {
  constexpr int OF_LANE = 8;  // of 32 pieces at most
  const int lane = threadIdx.x % 32, r = lane / 4, count = r < piece.tile.count ? piece.cut.count : 0;
  const u32 first = piece_words(a, piece.tile.kv_head, 0, r) + QK_HEAD_DIM, next_piece = GROUP_ROWS * PIECE_ROW;
  u32 part[OF_LANE][2] = {};
  for (bool missing = true; missing;) {
    missing = false;
#pragma unroll
    for (int i = 0; i < OF_LANE; ++i) {
      const int p = 4 * i + lane % 4;
      if (p < count) missing |= !pieces.hear(first + p * next_piece, part[i]);
    }
    if (missing) look_again();
  }
  __syncwarp();
  attend::State whole = {NOTHING, 0};
#pragma unroll
  for (int p = 0; p < 4 * OF_LANE; ++p) {
    if (p >= piece.cut.count) break;
    const float largest = __uint_as_float(__shfl_sync(0xffffffffu, part[p / 4][0], p % 4, 4));
    const float sum = __uint_as_float(__shfl_sync(0xffffffffu, part[p / 4][1], p % 4, 4));
    if (r < piece.tile.count) whole = attend::joined(whole, {largest, sum});
  }
  return whole;
}

// Elements of a head that a warp adds up: two in a lane.
constexpr u32 RUN = 64, RUNS_OF_HEAD = QK_HEAD_DIM / RUN;

// The pieces of a run of a head, in their order. As attention_join.cu adds them up.
DEVICE void join_run(const attend::Args& a, const attend::Cut& cut, const TellPiece& told, u32 run, u32 lane) {
  constexpr int AT_ONCE = 8;
  const u32 head = run / RUNS_OF_HEAD, element = run % RUNS_OF_HEAD * RUN + 2 * lane;
  const u32 first_words = piece_words(a, head / a.group, 0, head % a.group), next_piece = GROUP_ROWS * PIECE_ROW;
  u32 state[2] = {};
  attend::Weights weights;
  float values[2] = {};
  for (int first = 0; first < cut.count; first += AT_ONCE) {
    u32 part[AT_ONCE][2];
    for (bool missing = true; missing;) {
      missing = false;
      if (!QK_HF && first == 0 && static_cast<int>(lane) < cut.count) {
        missing |= !told.pieces.hear(first_words + lane * next_piece + QK_HEAD_DIM, state);
      }
#pragma unroll
      for (int p = 0; p < AT_ONCE; ++p) {
        if (first + p < cut.count) missing |= !told.pieces.hear(first_words + (first + p) * next_piece + element, part[p]);
      }
      if (missing) look_again();
    }
    __syncwarp();
    if (!QK_HF && first == 0) {
      const bool there = static_cast<int>(lane) < cut.count;
      weights = attend::weigh<32>({there ? __uint_as_float(state[0]) : NOTHING, there ? __uint_as_float(state[1]) : 0.0f});
    }
#pragma unroll
    for (int p = 0; p < AT_ONCE; ++p) {
      const float weight = QK_HF ? 1 : __shfl_sync(0xffffffffu, weights.factor, (first + p) % 32);
      if (first + p >= cut.count) continue;
#pragma unroll
      for (int i = 0; i < 2; ++i) values[i] = __fmaf_rn(__uint_as_float(part[p][i]), weight, values[i]);
    }
  }
  for (float& value : values) value = QK_HF ? value : attend::finished(value, weights.all, NOTHING);
  const u32 both[1] = {pack<QK_DTYPE>(values[0], values[1])};
  const u32 at = head * QK_HEAD_DIM + element;
  told.out.tell(at / 2, both);
  told.out.clear_other<1>(at / 2);
  store_words<1>(a.out + at * bytes_of(QK_DTYPE), both);
}

// The runs that are this warp's: the last blocks have the first, since the first blocks have pieces.
DEVICE void join_pieces(const attend::Args& a, const attend::Cut& cut, const TellPiece& told) {
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, runs = a.kv_heads * a.group * RUNS_OF_HEAD;
  for (u32 run = gridDim.x - 1 - blockIdx.x + gridDim.x * warp; run < runs; run += gridDim.x * WARPS) {
    join_run(a, cut, told, run, lane);
  }
}
