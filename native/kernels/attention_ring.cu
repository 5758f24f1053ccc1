// Attention of few queries, of one sequence or of many whose keys lie in pages: the products of attention_direct.cuh, with
// keys and values on their way to a lane through shared memory (attention_feed.cuh), QK_RING units ahead, so that a multiprocessor
// has as much asked for as its shared memory holds. A unit is the keys of a warp's step, or its values.
//
// Blocks go over a list of all pieces that there are, which each makes for itself from the lengths: an empty piece costs
// nothing, and a sequence's pieces depend on its own keys alone.
//
// QK_SINGLE     1: no head of a sequence can have more than one piece. Each has a block, and nothing is listed
// QK_RESIDENT   blocks that a multiprocessor is to have room for
// The other macros: attention_feed.cuh, attention_direct.cuh; QK_STAGE and QK_CLUSTER are 0.

static_assert(sizeof(Shared) <= RING_BYTES, "what the warps leave lies where their keys were");

// ---- which piece ----

DEVICE Cut cut_of_tile(const Args& args, const Sequence& sequence, Tile& tile, Keys& seen) {
  const int left = sequence.queries * static_cast<int>(args.group) - tile.first;
  tile.count = left < QK_ROWS ? left : QK_ROWS;
  seen = seen_by_rows(args, sequence, tile.first, tile.count);
  return cut_of(args, sequence, seen);
}

// Of one key/value head of a sequence.
DEVICE int pieces_of(const Args& args, const Sequence& sequence) {
  if (is_long(args, sequence)) return 0;
  int pieces = 0;
  Keys seen;
  for (Tile tile = {0, 0, 0}; tile.first < sequence.queries * static_cast<int>(args.group); tile.first += QK_ROWS) {
    pieces += cut_of_tile(args, sequence, tile, seen).count;
  }
  return pieces;
}

// Fills ends[b] with the pieces of one key/value head of sequences 0 to b.
DEVICE void list_pieces(const Args& args, int* ends) {
  constexpr int THREADS = QK_WARPS * 32;
  __shared__ int totals[QK_WARPS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, batch = args.batch;
  const int each = (batch + THREADS - 1) / THREADS, first = threadIdx.x * each;
  const int last = first + each < batch ? first + each : batch;
  int sum = 0;
  for (int b = first; b < last; ++b) ends[b] = sum += pieces_of(args, sequence_of(args, b));
  int before = sum;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const int other = __shfl_up_sync(0xffffffffu, before, step);
    if (lane >= step) before += other;
  }
  if (lane == 31) totals[warp] = before;
  __syncthreads();
  before -= sum;
  for (int w = 0; w < warp; ++w) before += totals[w];
  for (int b = first; b < last; ++b) ends[b] += before;
  __syncthreads();
}

// Of several pieces of a key/value head of a sequence, the `number`-th of all its tiles.
DEVICE Piece piece_of(const Args& args, u32 sequence, u32 kv_head, int number) {
  Piece piece;
  piece.sequence = sequence_of(args, sequence);
  piece.tile = {kv_head, 0, 0};
  Keys seen;
  for (;; piece.tile.first += QK_ROWS) {
    piece.cut = cut_of_tile(args, piece.sequence, piece.tile, seen);
    if (number < piece.cut.count) break;
    number -= piece.cut.count;
  }
  piece.number = number;
  piece.keys.first = seen.first + number * piece.cut.keys;
  piece.keys.last = piece.keys.first + piece.cut.keys;
  if (piece.keys.last > seen.last) piece.keys.last = seen.last;
  return piece;
}

// Which sequence piece `number` of a key/value head of all sequences belongs to; `number` becomes that among its own.
DEVICE u32 sequence_of_piece(const Args& args, const int* ends, int& number) {
  int low = 0, high = args.batch - 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (ends[middle] > number) high = middle;
    else low = middle + 1;
  }
  if (low > 0) number -= ends[low - 1];
  return low;
}

// All keys of a head of a sequence that has one tile and one piece; false: it has no query, or is not for here.
DEVICE bool find_whole(const Args& args, u32 sequence, u32 kv_head, Piece& piece) {
  piece.sequence = sequence_of(args, sequence);
  const int rows = piece.sequence.queries * static_cast<int>(args.group);
  if (rows <= 0 || is_long(args, piece.sequence)) return false;
  piece.tile = {kv_head, 0, rows < QK_ROWS ? rows : QK_ROWS};
  piece.keys = seen_by_rows(args, piece.sequence, 0, piece.tile.count);
  piece.cut = {piece.keys.count(), 1, 1};
  piece.number = 0;
  return true;
}

DEVICE void absorb_piece(const Args& args, const Piece& piece, char* ring) {
  Feed feed = begin_feed(args, piece, ring);
  Row row;
  load_row(args, piece, row);
  for (int step = 0, key = feed.begin; step < feed.steps; ++step, key += TURN) {
    Step there;
    float scores[2][2];
    take<false>(feed, there.k);
    score_in_halves(args, row, there.k, key, scores);
    ask<QK_RING % 2 == 1>(args, piece, feed, step + QK_RING / 2);
    absorb(row, scores);
    take<true>(feed, there.v);
    multiply_values(row, there, scores);
    ask<QK_RING % 2 == 0>(args, piece, feed, step + (QK_RING + 1) / 2);
  }
  __syncthreads();
  Shared& shared = *reinterpret_cast<Shared*>(ring);
  share_row(row, shared);
  __syncthreads();
  join_warps(args, piece, shared, LeavePiece{});
}

extern "C" __global__ void __launch_bounds__(QK_WARPS * 32, QK_RESIDENT)
    attention_ring(const __grid_constant__ Args args) {
  char* const ring = dynamic_shared();
  int* const ends = reinterpret_cast<int*>(ring + RING_BYTES);
  allow_successor();
  wait_for_predecessor();
  // Heads side by side, since their keys are neighbours.
  if constexpr (QK_SINGLE) {
    Piece piece;
    if (!find_whole(args, blockIdx.x / args.kv_heads, blockIdx.x % args.kv_heads, piece)) return;
    absorb_piece(args, piece, ring);
  } else {
    list_pieces(args, ends);
    const u32 total = ends[args.batch - 1] * args.kv_heads;
    for (u32 index = blockIdx.x; index < total; index += gridDim.x) {
      int number = index / args.kv_heads;
      const u32 sequence = sequence_of_piece(args, ends, number);
      absorb_piece(args, piece_of(args, sequence, index % args.kv_heads, number), ring);
      __syncthreads();
    }
  }
}
