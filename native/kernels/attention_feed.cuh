// Keys and values on their way to the warps of attention_ring.cu, unit by unit through room of a warp's own in shared memory:
// the keys of a step of 16, then their values.
//
// A warp copies whole keys, so that what is asked of the memory are whole lines: copied by the lanes that multiply them, keys
// come in pieces of 64 bytes and values in pieces of 32, of which the L2 can look up half as many bytes.
//
// QK_RING    units that a warp has room for, 2 to 4

constexpr int TURN = QK_WARPS * STEP;                        // keys between two steps of a warp
constexpr int ROW_BYTES = QK_HEAD_DIM * 2;
constexpr int CHUNKS = ROW_BYTES / 16;                       // of a key
constexpr int LOADS = STEP * CHUNKS / 32;                    // of a lane, for a unit
constexpr int UNIT_BYTES = STEP * ROW_BYTES;
constexpr int RING_BYTES = QK_WARPS * QK_RING * UNIT_BYTES;  // of a block

static_assert(QK_RING >= 2 && QK_RING <= 4, "the first units are of the first two steps");

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

// Chunk i of those that a lane multiplies itself: the key of the step, and the place in it.
template <bool OF_VALUES>
DEVICE void own_chunk(int i, int& key, int& chunk) {
  constexpr int OF_KEY = OF_VALUES ? HALVES : QUARTERS;
  const int lane = threadIdx.x % 32, n = i / OF_KEY;
  key = OF_VALUES ? n / 2 * 8 + lane % 4 * 2 + n % 2 : 8 * n + lane / 4;
  chunk = OF_VALUES ? 8 * (i % OF_KEY) + lane / 4 : 4 * (i % OF_KEY) + lane % 4;
}

// Where a chunk lies in a unit. Eight lanes that read at once find eight groups of banks.
template <bool OF_VALUES>
DEVICE int place_of(int key, int chunk) {
  const int turned = OF_VALUES ? chunk ^ (key & 6) : chunk ^ (key & 1) * 4;
  return key * ROW_BYTES + turned * 16;
}

template <bool OF_VALUES>
DEVICE const char* head_of(const Args& args, const Piece& piece) {
  return OF_VALUES ? args.v + piece.tile.kv_head * args.v_head_stride : args.k + piece.tile.kv_head * args.k_head_stride;
}

// Chunk by chunk, each lane a 32nd of the unit.
template <bool OF_VALUES>
DEVICE void copy_unit(const Args& args, const Piece& piece, const Feed& feed, int step, char* unit) {
  const int lane = threadIdx.x % 32;
  const i64 stride = OF_VALUES ? args.v_token_stride : args.k_token_stride;
  const char* head = head_of<OF_VALUES>(args, piece);
#pragma unroll
  for (int i = 0; i < LOADS; ++i) {
    const int key = (32 * i + lane) / CHUNKS, chunk = (32 * i + lane) % CHUNKS;
    const u32 slot = __shfl_sync(0xffffffffu, feed.slots, step % 2 * STEP + key);
    const bool there = slot != NO_SLOT;
    copy_async(unit + place_of<OF_VALUES>(key, chunk), head + (there ? slot : 0) * stride + chunk * 16, there ? 16 : 0);
  }
}

// Asks for a unit, in place of one that all lanes have taken.
template <bool OF_VALUES>
DEVICE void ask(const Args& args, const Piece& piece, Feed& feed, int step) {
  __syncwarp();
  if (step < feed.steps) {
    if (!OF_VALUES && step > 0 && step % 2 == 0) {
      feed.slots = feed.next;
      feed.next = slots_of(args, piece, feed, step + 2);
    }
    copy_unit<OF_VALUES>(args, piece, feed, step, feed.units + feed.place * UNIT_BYTES);
  }
  commit_copies();
  feed.place = feed.place + 1 < QK_RING ? feed.place + 1 : 0;
}

// The oldest unit that was asked for, in whose place the next one goes.
template <bool OF_VALUES, int ROWS, int OF_ROW>
DEVICE void take(const Feed& feed, u32 (&to)[ROWS][OF_ROW][4]) {
  wait_for_copies<QK_RING - 1>();
  __syncwarp();
  const char* const unit = feed.units + feed.place * UNIT_BYTES;
#pragma unroll
  for (int i = 0; i < LOADS; ++i) {
    int key, chunk;
    own_chunk<OF_VALUES>(i, key, chunk);
    const uint4 words = *reinterpret_cast<const uint4*>(unit + place_of<OF_VALUES>(key, chunk));
    u32(&one)[4] = to[i / OF_ROW][i % OF_ROW];
    one[0] = words.x, one[1] = words.y, one[2] = words.z, one[3] = words.w;
  }
}

// The first units of a piece, as many as there is room for.
DEVICE Feed begin_feed(const Args& args, const Piece& piece, char* ring) {
  const int warp = threadIdx.x / 32, begin = piece.keys.first + warp * STEP;
  const int steps = begin < piece.keys.last ? (piece.keys.last - begin + TURN - 1) / TURN : 0;
  Feed feed = {ring + warp * QK_RING * UNIT_BYTES, begin, steps, 0, 0, 0};
  feed.slots = slots_of(args, piece, feed, 0);
  feed.next = slots_of(args, piece, feed, 2);
  ask<false>(args, piece, feed, 0);
  ask<true>(args, piece, feed, 0);
  if constexpr (QK_RING > 2) ask<false>(args, piece, feed, 1);
  if constexpr (QK_RING > 3) ask<true>(args, piece, feed, 1);
  return feed;
}
