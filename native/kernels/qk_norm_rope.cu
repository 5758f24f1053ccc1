// The chain between the QKV projection and attention in one launch: every head of q and of k normalised and rotated, in
// place or not, and k and v written into the slots of a cache. Norm, rotation and write round as each of them alone does,
// so the result is the one of three launches, bit for bit.
//
// The work: the heads of q, of k and of v count as one list a token, cut into groups of QK_ROWS neighbours of one tensor.
// LANES lanes of a warp take one group, all its heads at once: they share the token's angles, the weight and one division.
// Neighbouring lane groups take neighbouring heads of one token, whose table rows are then in the first-level cache.
//
// Batch invariance: norm_rows.cuh; rotation and write look at one pair or one row.
//
// Latency: with PDL, all that reads neither x nor what a kernel before may have written (index arithmetic, addresses,
// weights) is done before the wait. Positions and slots are read after it: a decode step writes them itself. Their lines,
// and those of x, may be asked for before (QK_PREFETCH): that moves bytes, not values. The position is the first load,
// since the angles wait for it; the sums of the norm are made while the angles arrive.
//
// The macros of norm_rows.cuh (see qk_norm.cu), rope.cuh and cache_rows.cuh, without QK_LOOP, and:
// QK_NORM            0: no norm
// QK_ROPE_FIRST      0: the norm, then the rotation; 1: the rotation, then the norm
// QK_ROWS            heads in flight per lane group; 1 where each head has a weight of its own
// QK_IN_PLACE        1: q and k are overwritten, the y fields are not read
// QK_ALIGN           of v as well

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
  u32 multiplier, shift;      // n / groups == n * multiplier >> shift for every n < 2^31
};

DEVICE u32 load_index(const char* list, u32 i) {
  u32 value;
  load_words<1>(list + static_cast<i64>(i) * 4, &value);
  return value;
}

extern "C" __global__ void __launch_bounds__(QK_BLOCK) qk_norm_rope(const __grid_constant__ Args args) {
  if constexpr (QK_TRIGGER == AT_ONCE) allow_successor();

  const u32 lane = threadIdx.x % LANES;
  const u32 group = (blockIdx.x * QK_BLOCK + threadIdx.x) / LANES;
  const u32 token = static_cast<u32>(static_cast<u64>(group) * args.multiplier >> args.shift);
  u32 listed = group - token * args.groups;
  if constexpr (QK_TRIGGER == WHEN_DIVIDED) {
    pin(listed);
    allow_successor();
  }
  const bool is_q = listed < args.q_groups;
  const bool is_v = QK_CACHE && listed >= args.q_groups + args.k_groups;
  const Side& side = is_q ? args.q : args.k;
  const u32 head = (listed - (is_q ? 0 : is_v ? args.q_groups + args.k_groups : args.q_groups)) * ROWS;

  // Groups past the last token have no heads, but stay for the shuffles of their warp.
  const int left = token < args.tokens ? static_cast<int>(side.heads - head) : 0;
  const u32 first = lane * CHUNK * bytes_of(QK_DTYPE);
  const i64 x_stride = is_v ? args.v_head_stride : side.x_head_stride;
  const i64 y_stride = QK_IN_PLACE ? x_stride : side.y_head_stride;
  const char* x = (is_v ? args.v : side.x) + token * (is_v ? args.v_token_stride : side.x_token_stride) + head * x_stride + first;
  const char* y = QK_IN_PLACE ? x : side.y + token * side.y_token_stride + head * y_stride + first;

  Affine affine;
  const i64 at = head * side.weight_head_stride + lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
  if constexpr (QK_WEIGHT) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.weight, side.weight + at, lane, true);
  if constexpr (QK_BIAS) load_held<QK_WEIGHT_DTYPE, QK_WEIGHT_ALIGN>(affine.bias, side.bias + at, lane, true);
  const float eps = side.eps;
  pin(x);
  if constexpr (!QK_IN_PLACE) pin(y);

  if constexpr (QK_PREFETCH) {
    prefetch_rows(x, x_stride, left, lane);
    if (TURNS && left > 0) prefetch_line(args.positions + static_cast<i64>(token) * 4);
    if (QK_CACHE && left > 0) prefetch_line(args.slots + static_cast<i64>(token) * 4);
  }
  if constexpr (QK_TRIGGER == BEFORE_WAIT) allow_successor();
  wait_for_predecessor();

  const bool turns = TURNS && !is_v && left > 0;
  u32 position = 0;
  if (turns) position = load_index(args.positions, token);
  Row rows[ROWS];
  load_rows(rows, x, x_stride, left, lane);
  u32 slot = 0xffffffffu;
  if (QK_CACHE && !is_q && left > 0) slot = load_index(args.slots, token);
  if constexpr (QK_TRIGGER == WHEN_LOADED) allow_successor();
  Angles angles[TURNING];
  if constexpr (TURNS) {
    // A position past the tables, which the caller excludes, may read nothing else.
    const i64 row = static_cast<i64>(position < args.places ? position : args.places - 1) * (4 * HALF);
    load_turns(angles, args.cos + row, args.sin + row, lane, turns);
  }

  if constexpr (QK_ROPE_FIRST) rotate(rows, angles, lane, !is_v);
  if constexpr (QK_NORM) {
    float mean[ROWS], sum[ROWS];
    measure(rows, mean, sum, lane);
    if (!is_v) normalize_measured(rows, mean, sum, affine, eps);
  }
  if constexpr (!QK_ROPE_FIRST) rotate(rows, angles, lane, !is_v);

  if (STORES && !is_v) store_rows(rows, const_cast<char*>(y), y_stride, left, lane);
  if constexpr (QK_CACHE) {
    float largest[ROWS];
    if constexpr (QK_SCALES == COMPUTED) largest_of(rows, largest, lane);
    // As unsigned, a slot below 0 lies past the cache.
    if (slot < args.cache_slots) store_slot(rows, is_v ? args.v_cache : args.k_cache, slot, head, left, lane, largest);
  }
  if constexpr (QK_TRIGGER == AT_END) allow_successor();
}
