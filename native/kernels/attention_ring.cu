// Attention of few queries, of one sequence or of many whose keys lie in pages: the products of attention_direct.cuh, with
// keys and values on their way to a lane through shared memory.
//
// A lane copies just the 16 bytes that it multiplies itself, QK_RING units ahead, so that shared memory is a longer register
// file: no lane waits for another, and a multiprocessor has as much asked for as its shared memory holds. A unit is the keys
// of a warp's step, or its values.
//
// Blocks go over a list of all pieces that there are, which each makes for itself from the lengths: an empty piece costs
// nothing, and a sequence's pieces depend on its own keys alone.
//
// QK_RING       units that a warp has room for, 2 to 4
// QK_RESIDENT   blocks that a multiprocessor is to have room for
// The other macros: attention_direct.cuh; QK_STAGE and QK_CLUSTER are 0.

constexpr int TURN = QK_WARPS * STEP;                        // keys between two steps of a warp
constexpr int UNIT_BYTES = STEP * QK_HEAD_DIM * 2;
constexpr int LOAD_BYTES = 32 * 16;                          // of a warp
constexpr int RING_BYTES = QK_WARPS * QK_RING * UNIT_BYTES;  // of a block

static_assert(QK_RING >= 2 && QK_RING <= 4, "the first units are of the first two steps");
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

// Heads side by side, since their keys are neighbours.
DEVICE Piece piece_at(const Args& args, const int* ends, u32 index) {
  Piece piece;
  int number = index / args.kv_heads, low = 0, high = args.batch - 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (ends[middle] > number) high = middle;
    else low = middle + 1;
  }
  if (low > 0) number -= ends[low - 1];
  piece.sequence = sequence_of(args, low);
  piece.tile = {index % args.kv_heads, 0, 0};
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

// ---- keys on their way ----

constexpr u32 NO_SLOT = ~0u;

// What a warp asks for, and where it has room: unit by unit, keys and values of a step in turn.
struct Feed {
  char* units;
  int begin, steps, place;
  u32 slots, next;  // of the two steps that are asked for, and of the two after: slots_of
};

// Lane l: where key l % 16 of step `step` + l / 16 lies.
DEVICE u32 slots_of(const Args& args, const Piece& piece, const Feed& feed, int step) {
  const int lane = threadIdx.x % 32, at = feed.begin + (step + lane / STEP) * TURN + lane % STEP;
  const i64 slot = at < piece.keys.last ? slot_of(args, piece.sequence, at) : NOWHERE;
  return slot == NOWHERE ? NO_SLOT : static_cast<u32>(slot);
}

template <bool OF_VALUES>
DEVICE void ask(const Args& args, const Piece& piece, Feed& feed, int step) {
  if (step < feed.steps) {
    if (!OF_VALUES && step > 0 && step % 2 == 0) {
      feed.slots = feed.next;
      feed.next = slots_of(args, piece, feed, step + 2);
    }
    constexpr int KEYS = OF_VALUES ? 4 : 2, LOADS = OF_VALUES ? HALVES : QUARTERS, APART = OF_VALUES ? 128 : 64;
    const int lane = threadIdx.x % 32;
    const i64 stride = OF_VALUES ? args.v_token_stride : args.k_token_stride;
    const char* head = OF_VALUES ? args.v + piece.tile.kv_head * args.v_head_stride + lane / 4 * 16
                                 : args.k + piece.tile.kv_head * args.k_head_stride + lane % 4 * 16;
    char* to = feed.units + feed.place * UNIT_BYTES + lane * 16;
#pragma unroll
    for (int n = 0; n < KEYS; ++n) {
      const int key = OF_VALUES ? n / 2 * 8 + lane % 4 * 2 + n % 2 : 8 * n + lane / 4;
      const u32 slot = __shfl_sync(0xffffffffu, feed.slots, step % 2 * STEP + key);
      const bool there = slot != NO_SLOT;
      const char* from = head + (there ? slot : 0) * stride;
#pragma unroll
      for (int i = 0; i < LOADS; ++i, to += LOAD_BYTES) copy_async(to, from + APART * i, there ? 16 : 0);
    }
  }
  commit_copies();
  feed.place = feed.place + 1 < QK_RING ? feed.place + 1 : 0;
}

// The oldest unit that was asked for, in whose place the next one goes.
template <int ROWS, int LOADS>
DEVICE void take(const Feed& feed, u32 (&to)[ROWS][LOADS][4]) {
  wait_for_copies<QK_RING - 1>();
  const uint4* from = reinterpret_cast<const uint4*>(feed.units + feed.place * UNIT_BYTES) + threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < ROWS; ++n) {
#pragma unroll
    for (int i = 0; i < LOADS; ++i, from += 32) {
      const uint4 words = *from;
      to[n][i][0] = words.x, to[n][i][1] = words.y, to[n][i][2] = words.z, to[n][i][3] = words.w;
    }
  }
}

DEVICE void absorb_piece(const Args& args, const Piece& piece, char* ring) {
  const int warp = threadIdx.x / 32, begin = piece.keys.first + warp * STEP;
  const int steps = begin < piece.keys.last ? (piece.keys.last - begin + TURN - 1) / TURN : 0;
  Feed feed = {ring + warp * QK_RING * UNIT_BYTES, begin, steps, 0, 0, 0};
  feed.slots = slots_of(args, piece, feed, 0);
  feed.next = slots_of(args, piece, feed, 2);
  ask<false>(args, piece, feed, 0);
  ask<true>(args, piece, feed, 0);
  if constexpr (QK_RING > 2) ask<false>(args, piece, feed, 1);
  if constexpr (QK_RING > 3) ask<true>(args, piece, feed, 1);
  Row row;
  load_row(args, piece, row);
  for (int step = 0, key = begin; step < steps; ++step, key += TURN) {
    Step there;
    float scores[2][2];
    take(feed, there.k);
    score_step(args, row, there, key, scores);
    ask<QK_RING % 2 == 1>(args, piece, feed, step + QK_RING / 2);
    absorb(row, scores);
    take(feed, there.v);
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
  list_pieces(args, ends);
  const u32 total = ends[args.batch - 1] * args.kv_heads;
  for (u32 index = blockIdx.x; index < total; index += gridDim.x) {
    absorb_piece(args, piece_at(args, ends, index), ring);
    __syncthreads();
  }
}
