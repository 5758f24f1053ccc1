// What the attention kernels share: their arguments, which keys a query sees, and how keys are cut into pieces.
//
// A row is one query head of one token. Row r of a key/value head is head kv_head * group + r % group of token r / group,
// so that rows which read the same keys lie side by side; a tile is QK_ROWS of them. The keys that a tile sees are cut
// into pieces, which run at the same time. How many depends on the number of keys and on what the launch was made for, not
// on other sequences, so that a sequence has the same bits in any batch.
//
// QK_DTYPE      of q and out: 0 f32, 1 bf16, 2 f16
// QK_CACHE      of k and v, numbered like QK_DTYPE; 3: e4m3 with scales (e4m3.cuh)
// QK_HEAD_DIM   1 to 512
// QK_ROWS       rows of a tile
// QK_PAGED      0: one sequence, its keys one after the other. 1: a batch, keys by page tables
// QK_CAUSAL     0: every query sees every key
// QK_SOFT_CAP   0, or 1: scores become soft_cap * tanh(score / soft_cap)
// QK_SINKS      dtype of the sinks, numbered like QK_DTYPE; -1: none
// QK_HF         1: scores, scaled scores, steps of a cap or a sink and probabilities are rounded to QK_DTYPE
// QK_TENSOR_ROWS  a sequence of so many rows or more is attention_prefill.cu's; one of fewer attention.cu's. 0: none is
// QK_ALIGN      bytes that the address and strides of q are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_CACHE_ALIGN  the same for k and v

struct Args {
  const char* q;            // [tokens, kv_heads * group, head dim]
  const char* k;            // [capacity, kv_heads, head dim]
  const char* v;
  char* out;                // like q, dense
  float* partial;           // values [slots, head dim] of pieces, then their states [slots + rows, 2]: partial_state
  const int* lengths;       // QK_PAGED 0: one number, the keys before the first query. 1: [batch], all keys
  const int* query_starts;  // [batch + 1]
  const int* pages;         // [batch, pages_per_sequence]
  const char* sinks;        // [kv_heads * group]
  const char* k_scales;     // f32 [capacity, kv_heads] of a cache of e4m3
  const char* v_scales;
  i64 q_token_stride, q_head_stride;  // bytes
  i64 k_token_stride, k_head_stride;
  i64 v_token_stride, v_head_stride;
  i64 k_scale_token_stride, k_scale_head_stride;
  i64 v_scale_token_stride, v_scale_head_stride;
  float scale, soft_cap;
  u32 tokens, group, kv_heads, capacity;
  u32 window, chunk;        // 0: no limit
  u32 pieces, least_keys;   // the most pieces of a key/value head, and the fewest keys of one, a multiple of 32
  u32 blocks;               // of a key/value head of a sequence
  u32 page_size, pages_per_sequence, batch;
};

#define NOTHING __uint_as_float(0xff800000u)  // minus infinity: no score yet

// Keys from the first up to, but not with, the last.
struct Keys {
  int first, last;
  __device__ __forceinline__ int count() const { return last > first ? last - first : 0; }
};

// A sequence of the batch.
struct Sequence {
  int index, first_token, queries, keys;
  // The key that query `token` of the sequence stands at.
  __device__ __forceinline__ int own(int token) const { return keys - queries + token; }
};

DEVICE Sequence sequence_of(const Args& args, u32 index) {
  if constexpr (QK_PAGED) {
    const int first = args.query_starts[index], last = args.query_starts[index + 1];
    const int most = args.page_size * args.pages_per_sequence, keys = args.lengths[index];
    return {static_cast<int>(index), first, last - first, keys < most ? keys : most};
  } else {
    const int keys = *args.lengths + static_cast<int>(args.tokens), most = args.capacity;
    return {0, 0, static_cast<int>(args.tokens), keys < most ? keys : most};
  }
}

// Whether the tensor cores do this sequence.
DEVICE bool is_long(const Args& args, const Sequence& sequence) {
  return QK_TENSOR_ROWS > 0 && sequence.queries * static_cast<int>(args.group) >= QK_TENSOR_ROWS;
}

constexpr u32 NO_SEQUENCE = ~0u;

// The sequence that a token of the batch belongs to.
DEVICE u32 sequence_at(const Args& args, int token) {
  u32 low = 0, high = args.batch;
  // Mostly each has one query: reads that do not wait for each other.
  if (token < static_cast<int>(high) && args.query_starts[token] == token && args.query_starts[token + 1] > token) {
    return token;
  }
  while (low < high) {
    const u32 middle = (low + high) / 2;
    if (args.query_starts[middle + 1] > token) high = middle;
    else low = middle + 1;
  }
  return low < args.batch && args.query_starts[low] <= token ? low : NO_SEQUENCE;
}

// The keys that the query at key `own` sees.
DEVICE Keys seen_from(const Args& args, const Sequence& sequence, int own) {
  if (!QK_CAUSAL) return {0, sequence.keys};
  if (own < 0) return {0, 0};
  int first = 0;
  if (args.window > 0 && own >= static_cast<int>(args.window)) first = own - static_cast<int>(args.window) + 1;
  if (args.chunk > 0) {
    const int start = own - own % static_cast<int>(args.chunk);
    if (start > first) first = start;
  }
  return {first, own + 1};
}

// The keys that any of the rows [first, first + count) of the sequence sees: ranges move forward from row to row.
DEVICE Keys seen_by_rows(const Args& args, const Sequence& sequence, int first, int count) {
  const int group = args.group;
  const Keys from = seen_from(args, sequence, sequence.own(first / group));
  const Keys to = seen_from(args, sequence, sequence.own((first + count - 1) / group));
  return {from.first, to.last};
}

// A tile of one sequence: rows [first, first + count) of a key/value head.
struct Tile {
  u32 kv_head;
  int first, count;

  __device__ __forceinline__ int token_of(const Args& args, int r) const {
    return (first + r) / static_cast<int>(args.group);
  }
  __device__ __forceinline__ int head_of(const Args& args, int r) const {
    return kv_head * args.group + (first + r) % static_cast<int>(args.group);
  }
};

// How the keys of a tile are cut: `count` pieces, at least one and `most` at most, of `keys` keys; the last may be shorter.
struct Cut {
  int keys, count, most;
};

// The most pieces of a tile of a sequence that has so many tiles: all tiles together have args.pieces, if they can.
DEVICE int most_pieces(const Args& args, int tiles) {
  const int most = static_cast<int>(args.pieces) / tiles;
  return most > 1 ? most : 1;
}

DEVICE Cut cut_of(const Args& args, const Sequence& sequence, Keys seen) {
  const int most = most_pieces(args, (sequence.queries * static_cast<int>(args.group) + QK_ROWS - 1) / QK_ROWS);
  const int total = seen.count();
  int keys = (total + most - 1) / most;
  keys = (keys + 31) / 32 * 32;
  if (keys < static_cast<int>(args.least_keys)) keys = args.least_keys;
  const int count = (total + keys - 1) / keys;
  return {keys, count > 1 ? count : 1, most};
}

// The row's number among all rows [tokens, heads].
DEVICE i64 row_number(const Args& args, const Sequence& sequence, const Tile& tile, int r) {
  const i64 heads = static_cast<i64>(args.kv_heads) * args.group;
  return (sequence.first_token + tile.token_of(args, r)) * heads + tile.head_of(args, r);
}

// A key/value head of a sequence has slots for the pieces of one tile that has them all, or of as many tiles as share them.
DEVICE i64 slots_of_head(const Args& args) { return static_cast<i64>(args.pieces) * QK_ROWS; }

// The slot of the first piece of a row.
DEVICE i64 first_slot(const Args& args, const Sequence& sequence, const Tile& tile, const Cut& cut, int r) {
  const i64 head = static_cast<i64>(sequence.index) * args.kv_heads + tile.kv_head;
  return head * slots_of_head(args) + static_cast<i64>(tile.first + r) * cut.most;
}

DEVICE float* partial_values(const Args& args, i64 slot) { return args.partial + slot * QK_HEAD_DIM; }

// The largest score and the sum of the pieces of a row, one after the other. Rows that cannot have more than one piece,
// of which there may be many, lie behind the slots.
DEVICE float* partial_state(const Args& args, const Sequence& sequence, const Tile& tile, const Cut& cut, int r) {
  const i64 slots = static_cast<i64>(args.batch) * args.kv_heads * slots_of_head(args);
  const i64 at = cut.most > 1 ? first_slot(args, sequence, tile, cut, r) : slots + row_number(args, sequence, tile, r);
  return args.partial + slots * QK_HEAD_DIM + at * 2;
}

constexpr i64 NOWHERE = -1;

// Where key `key` of a sequence lies; NOWHERE for a page that the cache does not have.
DEVICE i64 slot_of(const Args& args, const Sequence& sequence, int key) {
  if constexpr (QK_PAGED) {
    const u32 page = args.pages[static_cast<i64>(sequence.index) * args.pages_per_sequence + key / args.page_size];
    const u64 slot = static_cast<u64>(page) * args.page_size + key % args.page_size;
    return slot < args.capacity ? static_cast<i64>(slot) : NOWHERE;
  } else {
    return key;
  }
}

// ---- elements ----

// What the stored k, or v, of a slot is multiplied by.
DEVICE float k_scale_of(const Args& args, u32 kv_head, i64 slot) {
  if constexpr (QK_CACHE != E4M3) return 1;
  return *reinterpret_cast<const float*>(args.k_scales + slot * args.k_scale_token_stride +
                                         kv_head * args.k_scale_head_stride);
}

DEVICE float v_scale_of(const Args& args, u32 kv_head, i64 slot) {
  if constexpr (QK_CACHE != E4M3) return 1;
  return *reinterpret_cast<const float*>(args.v_scales + slot * args.v_scale_token_stride +
                                         kv_head * args.v_scale_head_stride);
}

template <int DTYPE>
DEVICE float load_element(const char* p) {
  if constexpr (DTYPE == F32) {
    return *reinterpret_cast<const float*>(p);
  } else {
    float low, high;
    unpack<DTYPE>(*reinterpret_cast<const u16*>(p), low, high);
    return low;
  }
}

DEVICE void store_out(char* p, float value) {
  if constexpr (QK_DTYPE == F32) {
    *reinterpret_cast<float*>(p) = value;
  } else {
    *reinterpret_cast<u16*>(p) = static_cast<u16>(pack<QK_DTYPE>(value, 0));
  }
}

DEVICE float rounded(float value) {
  float other = 0;
  if constexpr (QK_HF) round_pair<QK_DTYPE>(value, other);
  return value;
}

// ---- scores ----
// With rounding once, scores are in units of log2(e): then exp(score) is one exp2, whose factor is free.

constexpr float LOG2_E = 1.4426950408889634f;

DEVICE float score_of(const Args& args, float dot) {
  if constexpr (QK_HF) {
    float score = rounded(__fmul_rn(rounded(dot), args.scale));
    if constexpr (QK_SOFT_CAP) score = rounded(rounded(tanhf(rounded(score / args.soft_cap))) * args.soft_cap);
    return score;
  } else if constexpr (QK_SOFT_CAP) {
    return tanhf(dot * args.scale / args.soft_cap) * (args.soft_cap * LOG2_E);
  } else {
    return dot * (args.scale * LOG2_E);
  }
}

// exp(score) in the units of score_of.
DEVICE float power_of(float score) {
  if constexpr (QK_HF) return expf(score);
  else if constexpr (QK_DTYPE == F32) return exp2f(score);
  else return approximate_exp2(score);
}

// The head's sink in the units of score_of; NOTHING: there are none.
DEVICE float sink_of(const Args& args, int head) {
  if constexpr (QK_SINKS < 0) {
    return NOTHING;
  } else {
    const float sink = load_element<QK_SINKS>(args.sinks + head * bytes_of(QK_SINKS));
    return QK_HF ? rounded(sink) : sink * LOG2_E;
  }
}

// What is left of a score once the largest is taken off. A sink makes transformers do that in the dtype.
DEVICE float lowered(float score, float largest) {
  return QK_HF && QK_SINKS >= 0 ? rounded(score - largest) : score - largest;
}

// The largest score and the sum of all powers over it.
struct State {
  float largest, sum;
};

// What scores are lowered by: any number, where there was no score yet.
DEVICE float base_of(float largest) { return largest == NOTHING ? 0 : largest; }

DEVICE State joined(State a, State b) {
  const float largest = fmaxf(a.largest, b.largest), base = base_of(largest);
  return {largest, a.sum * power_of(a.largest - base) + b.sum * power_of(b.largest - base)};
}

// ---- parts of a row, each with a softmax of its own ----

struct Weights {
  float factor;  // of this lane's part
  State all;
};

// Lane p of each COUNT neighbouring lanes brings part p, and {NOTHING, 0} where there is none.
template <int COUNT>
DEVICE Weights weigh(State part) {
  float largest = part.largest;
#pragma unroll
  for (int half = COUNT / 2; half > 0; half /= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, half));
  }
  const float factor = power_of(part.largest - base_of(largest));
  float sum = part.sum * factor;
#pragma unroll
  for (int half = COUNT / 2; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  return {factor, {largest, sum}};
}

// One element of the parts of a row, `stride` floats apart, in their order. Lane p has the factor of part p; all lanes of a
// warp have one count.
DEVICE float sum_parts(const float* values, int stride, int count, float factor) {
  constexpr int AT_ONCE = 4;
  float sum = 0;
  for (int first = 0; first < count; first += AT_ONCE) {
    float part[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; ++i) part[i] = first + i < count ? values[(first + i) * stride] : 0;
#pragma unroll
    for (int i = 0; i < AT_ONCE; ++i) {
      const float weight = __shfl_sync(0xffffffffu, factor, (first + i) % 32);
      if (first + i < count) sum = __fmaf_rn(part[i], weight, sum);
    }
  }
  return sum;
}

// The result of a row from the sum of its weighed values, the head's sink taken in.
DEVICE float finished(float value, State all, float sink) {
  const State whole = joined(all, {sink, QK_SINKS < 0 ? 0.0f : 1.0f});
  if (whole.sum == 0) return 0;
  return value * power_of(all.largest - base_of(whole.largest)) / whole.sum;
}
