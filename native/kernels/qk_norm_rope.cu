// The chain between the QKV projection and attention in one launch: every head of q and of k normalised and rotated, in
// place or not, and k and v written into the slots of a cache. Norm and write round as their own launches do, the rotation as
// the CPU's does (rope.cu keeps more digits with rounding once), so the result is that of the three in turn, bit for bit.
//
// The work: the heads of q, of k and of v count as one list a token, cut into groups of QK_ROWS neighbours of one tensor.
// LANES lanes of a warp take one group, all its heads at once: they share the token's angles, the weight and one division.
// Neighbouring lane groups take neighbouring heads of one token, whose table rows are then in the first-level cache.
//
// Batch invariance: norm_rows.cuh; rotation and write look at one pair or one row.
//
// Latency: with PDL, all that reads neither x nor what a kernel before may have written (index arithmetic, addresses,
// weights) is done before the wait. Positions and slots are read after it: a decode step writes them itself. Their lines,
// and those of x, may be asked for before (QK_PREFETCH): that moves bytes, not values. The angles wait for the position; the
// sums of the norm are made while they arrive. With QK_PREFETCH 2 the position is also read before the wait, as a guess, and
// its angles with it, which serve if the position that is read after the wait is the same one. That takes tables which nobody
// writes any more (QK_SETTLED).
//
// Throughput: what a lane holds decides how many rows a multiprocessor has on their way. With QK_FRUGAL angles are read when
// rows turn, and unpacked values are not kept across the sums.
//
// The macros of norm_rows.cuh (see qk_norm.cu), rope.cuh and cache_rows.cuh, and:
// QK_NORM            0: no norm
// QK_ROPE_FIRST      0: the norm, then the rotation; 1: the rotation, then the norm
// QK_ROWS            heads in flight per lane group; 1 where each head has a weight of its own
// QK_IN_PLACE        1: q and k are overwritten, the y fields are not read
// QK_ALIGN           of v as well; 16 with QK_LOOP
// QK_PREFETCH        0, 1, or 2: see above
// QK_SETTLED         1: no kernel that is queued writes to the tables
// QK_FRUGAL          1: see above
// QK_LOOP            0: the grid covers all tokens; n: persistent, with the rows of n tokens on their way to shared memory
// QK_RESIDENT        blocks that a multiprocessor's registers have to hold

constexpr bool TURNS = QK_HALF > 0;
// In place, with neither norm nor rotation, q and k are what they were.
constexpr bool STORES = QK_NORM || TURNS || !QK_IN_PLACE;

struct Args {
  Side q, k;
  const char* v;
  i64 v_token_stride, v_head_stride;
  const char* cos;            // [P, R]
  const char* sin;
  const char* positions;      // i32 [T]
  const char* slots;          // i32 [T]
  CacheRows k_cache, v_cache; // [S, Hkv, D]
  u32 tokens, places, cache_slots;  // T, P, S
  u32 q_groups, k_groups;     // of a token; v has as many as k where there is a cache
  u32 groups;                 // of all three
  u32 slices;                 // lane groups for each of those; without QK_LOOP T
  u32 trips;                  // ceil(T / slices), read with QK_LOOP
  u32 multiplier, shift;      // n / groups == n * multiplier >> shift for every n < 2^31
  Faults* faults;             // of positions from P and slots from S up
};

// Where there is much to do, registers decide how many bytes are on their way: what is cheap to get again is not kept.
constexpr bool FRUGAL = QK_FRUGAL;
constexpr bool LATE = FRUGAL && TURNS && !QK_ROPE_FIRST;

constexpr bool GUESSES = QK_PREFETCH == 2 && QK_SETTLED && TURNS && !FRUGAL;

template <int DTYPE>
DEVICE void pin_chunks(Chunk<DTYPE> (&chunks)[HELD]) {
  for (Chunk<DTYPE>& chunk : chunks) {
    for (u32& word : chunk.word) pin(word);
  }
}

DEVICE u32 load_index(const char* list, u32 token) {
  u32 value;
  load_words<1>(list + static_cast<i64>(token) * 4, &value);
  return value;
}

// Of a list that a kernel before may still be writing, past the first-level cache.
DEVICE u32 index_now(const char* list, u32 token) {
  return *reinterpret_cast<const volatile u32*>(list + static_cast<i64>(token) * 4);
}

// Last of all, so that nothing waits for it. As unsigned, an index below 0 lies past everything.
DEVICE void check_places(const Args& args, u32 position, u32 slot, u32 token, u32 lane) {
  if (lane != 0) return;
  if (TURNS && position >= args.places) tell_fault(args.faults, CHAIN_POSITION, position, args.places, token);
  if (QK_CACHE && slot >= args.cache_slots && slot != NO_SLOT) {
    tell_fault(args.faults, CHAIN_SLOT, slot, args.cache_slots, token);
  }
}

// A position past the tables may read nothing else.
DEVICE void load_turns_at(Angles (&angles)[TURNING], const Args& args, u32 position, u32 lane, bool wanted) {
  const i64 row = static_cast<i64>(position < args.places ? position : args.places - 1) * (4 * HALF);
  load_turns(angles, args.cos + row, args.sin + row, lane, wanted);
}

// Which tensor a lane group takes heads of, which they are, and at which of their chunks a lane is.
struct Heads {
  u32 tensor;  // 0 q, 1 k, 2 v
  u32 first, lane;

  __device__ __forceinline__ bool is_q() const { return tensor == 0; }
  __device__ __forceinline__ bool is_v() const { return QK_CACHE && tensor == 2; }
  __device__ __forceinline__ const Side& side(const Args& args) const { return is_q() ? args.q : args.k; }
  __device__ __forceinline__ i64 x_stride(const Args& args) const { return is_v() ? args.v_head_stride : side(args).x_head_stride; }
  __device__ __forceinline__ i64 y_stride(const Args& args) const { return QK_IN_PLACE ? x_stride(args) : side(args).y_head_stride; }
  __device__ __forceinline__ const char* x(const Args& args, u32 token) const {
    const char* const start = is_v() ? args.v : side(args).x;
    const i64 stride = is_v() ? args.v_token_stride : side(args).x_token_stride;
    return start + token * stride + first * x_stride(args) + lane * CHUNK * bytes_of(QK_DTYPE);
  }
  __device__ __forceinline__ const char* y(const Args& args, u32 token) const {
    if constexpr (QK_IN_PLACE) return x(args, token);
    return side(args).y + token * side(args).y_token_stride + first * y_stride(args) + lane * CHUNK * bytes_of(QK_DTYPE);
  }
};

// What a lane group needs besides rows and angles.
struct Ready {
  const char* y;
  Affine affine;
  float eps;
  CacheRows cache;

  __device__ __forceinline__ void find_norm(const Args& args, const Heads& heads) {
    const Side& side = heads.side(args);
    const i64 at = heads.first * side.weight_head_stride + heads.lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
    if constexpr (QK_WEIGHT) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.weight, side.weight + at, heads.lane, true);
    if constexpr (QK_BIAS) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.bias, side.bias + at, heads.lane, true);
    eps = side.eps;
  }

  __device__ __forceinline__ void find_cache(const Args& args, const Heads& heads) {
    cache = cache_from(heads.is_v() ? args.v_cache : args.k_cache, heads.first, heads.lane);
  }
};

// Norm, rotation and stores of rows of which `left` are there.
DEVICE void finish(Row (&rows)[ROWS], const Args& args, Heads heads, u32 token, Ready& ready, Angles (&angles)[TURNING],
                   u32 position, u32 slot, int left) {
  if constexpr (QK_ROPE_FIRST) rotate(rows, angles, heads.lane, !heads.is_v());
  if constexpr (QK_NORM) {
    float mean[ROWS], sum[ROWS];
    measure(rows, mean, sum, heads.lane);
    if constexpr (FRUGAL) {
      for (Row& row : rows) pin_chunks(row.chunk);
    }
    if constexpr (QK_LOOP) {
      pin(heads.tensor);
      ready.find_norm(args, heads);
    }
    if (!heads.is_v()) normalize_measured(rows, mean, sum, ready.affine, ready.eps);
  }
  if constexpr (LATE) {
    pin(position);
    load_turns_at(angles, args, position, heads.lane, left > 0 && !heads.is_v());
  }
  if constexpr (!QK_ROPE_FIRST) rotate(rows, angles, heads.lane, !heads.is_v());
  if constexpr (FRUGAL) pin(heads.tensor);
  if constexpr (QK_LOOP) ready.y = heads.y(args, token);
  if (STORES && !heads.is_v()) store_rows(rows, const_cast<char*>(ready.y), heads.y_stride(args), left, heads.lane);
  if constexpr (QK_CACHE) {
    float largest[ROWS];
    if constexpr (QK_SCALES == COMPUTED) largest_of(rows, largest, heads.lane);
    if constexpr (FRUGAL || QK_LOOP) ready.find_cache(args, heads);
    // As unsigned, a slot below 0 lies past the cache.
    if (slot < args.cache_slots) store_slot(rows, ready.cache, slot, left, heads.lane, largest);
  }
}

#if QK_LOOP
// Rows that are on their way into shared memory, QK_LOOP of a lane group's tokens at once. What a thread asked for it reads
// itself, so no thread waits for another.
struct Piece { u32 word[4]; };
constexpr int PIECES = Chunk<QK_DTYPE>::WORDS / 4;
__shared__ Piece on_the_way[QK_LOOP][ROWS * HELD * PIECES][QK_BLOCK];

DEVICE void ask_for_rows(const char* x, i64 stride, int left, u32 lane, u32 stage) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
#pragma unroll
      for (int p = 0; p < PIECES; ++p) {
        if (r >= left || !holds(lane, j)) continue;
        copy_async(&on_the_way[stage][(r * HELD + j) * PIECES + p][threadIdx.x],
                   x + r * stride + j * LANES * CHUNK * bytes_of(QK_DTYPE) + 16 * p);
      }
    }
  }
  commit_copies();
}

// Zeros stand for what was not asked for.
DEVICE void take_rows(Row (&rows)[ROWS], int left, u32 lane, u32 stage) {
  wait_for_copies<QK_LOOP - 1>();
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
#pragma unroll
      for (int p = 0; p < PIECES; ++p) {
        Piece piece = {};
        if (r < left && holds(lane, j)) piece = on_the_way[stage][(r * HELD + j) * PIECES + p][threadIdx.x];
#pragma unroll
        for (int w = 0; w < 4; ++w) rows[r].chunk[j].word[4 * p + w] = piece.word[w];
      }
    }
  }
}

// All tokens of a lane group: the first, and each that lies args.slices behind the last.
DEVICE void walk(const Args& args, Heads heads, u32 token, int left) {
  u32 asked = token;
#pragma unroll
  for (u32 stage = 0; stage < QK_LOOP; ++stage) {
    ask_for_rows(heads.x(args, asked), heads.x_stride(args), asked < args.tokens ? left : 0, heads.lane, stage);
    asked += args.slices;
  }
  const bool turns = TURNS && !heads.is_v() && left > 0, keeps = QK_CACHE && !heads.is_q() && left > 0;
  u32 position = 0, slot = NO_SLOT;
  if (turns && token < args.tokens) position = load_index(args.positions, token);
  if (keeps && token < args.tokens) slot = load_index(args.slots, token);
  u32 stage = 0;
  for (u32 trip = 0; trip < args.trips; ++trip) {
    const int here = token < args.tokens ? left : 0;
    const u32 position_here = position, slot_here = slot;
    pin(heads.tensor);
    Angles angles[TURNING];
    if constexpr (TURNS && !LATE) load_turns_at(angles, args, position, heads.lane, turns && here > 0);
    const u32 token_here = token;
    token += args.slices;
    if (turns && token < args.tokens) position = load_index(args.positions, token);
    if (keeps && token < args.tokens) slot = load_index(args.slots, token);
    Row rows[ROWS];
    take_rows(rows, here, heads.lane, stage);
    Ready ready;
    finish(rows, args, heads, token_here, ready, angles, position_here, slot_here, here);
    check_places(args, position_here, slot_here, token_here, heads.lane);
    pin(heads.tensor);
    ask_for_rows(heads.x(args, asked), heads.x_stride(args), asked < args.tokens ? left : 0, heads.lane, stage);
    asked += args.slices;
    stage = stage + 1 < QK_LOOP ? stage + 1 : 0;
  }
}
#endif

extern "C" __global__ void __launch_bounds__(QK_BLOCK, QK_RESIDENT) qk_norm_rope(const __grid_constant__ Args args) {
  if constexpr (QK_TRIGGER == AT_ONCE) allow_successor();

  const u32 lane = threadIdx.x % LANES;
  const u32 group = (blockIdx.x * QK_BLOCK + threadIdx.x) / LANES;
  const u32 token = static_cast<u32>(static_cast<u64>(group) * args.multiplier >> args.shift);
  u32 listed = group - token * args.groups;
  if constexpr (QK_TRIGGER == WHEN_DIVIDED) {
    pin(listed);
    allow_successor();
  }
  const u32 before_v = args.q_groups + args.k_groups;
  const Heads heads = listed < args.q_groups ? Heads{0, listed * ROWS, lane}
                      : !QK_CACHE || listed < before_v ? Heads{1, (listed - args.q_groups) * ROWS, lane}
                                                       : Heads{2, (listed - before_v) * ROWS, lane};
  const Side& side = heads.side(args);
  // Groups past the last token have no heads, but stay for the shuffles of their warp.
  const int left = token < args.slices ? static_cast<int>(side.heads - heads.first) : 0;

  Ready ready;
  if constexpr (!QK_LOOP) ready.find_norm(args, heads);
  if constexpr (QK_CACHE && !FRUGAL && !QK_LOOP) {
    ready.find_cache(args, heads);
    const char* cached = ready.cache.rows;
    pin(cached), pin(ready.cache.slot_stride);
    ready.cache.rows = const_cast<char*>(cached);
  }

  const char* x = heads.x(args, token);
  const i64 x_stride = heads.x_stride(args);
  if constexpr (!QK_LOOP) pin(x);
  ready.y = QK_IN_PLACE ? x : heads.y(args, token);
  if constexpr (!QK_LOOP && !QK_IN_PLACE) pin(ready.y);
  const bool turns = TURNS && !heads.is_v() && left > 0;
  Angles angles[TURNING];
  u32 guess = 0;
  if constexpr (QK_PREFETCH) {
    prefetch_rows(x, x_stride, left, lane);
    if (TURNS && left > 0) prefetch_line(args.positions + static_cast<i64>(token) * 4);
    if (QK_CACHE && left > 0) prefetch_line(args.slots + static_cast<i64>(token) * 4);
  }
  if constexpr (GUESSES) {
    if (turns) guess = index_now(args.positions, token);
    load_turns_at(angles, args, guess, lane, turns);
  }
  if constexpr (QK_TRIGGER == BEFORE_WAIT) allow_successor();
  wait_for_predecessor();

#if QK_LOOP
  walk(args, heads, token, left);
#else
  u32 position = 0, slot = NO_SLOT;
  if (turns) position = GUESSES ? index_now(args.positions, token) : load_index(args.positions, token);
  Row rows[ROWS];
  load_rows(rows, x, x_stride, left, lane);
  if (QK_CACHE && !heads.is_q() && left > 0) slot = load_index(args.slots, token);
  if constexpr (QK_TRIGGER == WHEN_LOADED) allow_successor();
  if constexpr (TURNS && !LATE) {
    if (!GUESSES || position != guess) load_turns_at(angles, args, position, lane, turns);
  }
  finish(rows, args, heads, token, ready, angles, position, slot, left);
  check_places(args, position, slot, token, lane);
#endif
  if constexpr (QK_TRIGGER == AT_END) allow_successor();
}
