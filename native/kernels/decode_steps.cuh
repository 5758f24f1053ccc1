// What a step of decode_steps.cu knows: its arguments, how the block's shared memory is used, and what blocks tell one another.
//
// QK_DTYPE        1 bf16, 2 f16: of all tensors and weights
// QK_STEPS        steps that a launch has room for
// QK_MOST_INPUTS  the largest K, and QK_MOST_NORMED the largest behind a norm
// QK_MOST_SUMS    sums of a tile: a row has as many as parts
// QK_SLOT         bytes of a slot of the ring, and QK_SLOTS how many there are; QK_SHARED bytes of a block's memory, the ring's too
// QK_NORM_KIND    0 rms, 2 l2, 3 unit; QK_NORM_DTYPE of the weight, QK_NORM_OFFSET 0 or 1: the norms in front of products

constexpr u32 NORM = 1, SWIGLU = 2, ATTENTION = 4;

// Words that nobody tells or hears: those of an x that was there before the launch, or of a y that no step reads.
constexpr u32 NO_WORDS = ~0u;

// A product is y = residual + act(norm(x) * w^T + bias) of one row x. As gemv.cu, bit for bit. What it is like is said by numbers
// and not by code of its own: a step runs its code once, and takes longer to bring code than to run it.
struct DecodeStep {
  // Of a product: x, w, norm weight, bias, residual, y; a y of none is left to the attention that reads it.
  // Attention: q, k, v, k cache, v cache, out, q and k weight.
  const char* at[8];
  u32 kind;            // of a product NORM and SWIGLU
  float eps, inverse;  // of the norm before a product, and 1 / K
  // The first of the words (Telling) of a product's x and y; of attention's q, k, v, of its out and of its pieces.
  u32 words[5];
  u32 inputs, outputs;  // K, a multiple of 8, and N; with SwiGLU I, the gates
  u32 parts, shift;     // of a row, added up one by one: QK_SPLIT of gemv.cu, and its logarithm
  u32 stage, tile;      // outputs of a slot, and those that are finished at once: pairs
  u32 under_way;        // slots that are being filled at once
  u32 none;
};

struct DecodeArgs {
  DecodeStep steps[QK_STEPS];
  u32* launches;          // how many there were, and how many blocks of this one are at their end
  u32* told;              // two sets of the words of all steps
  const int* position;    // of the token: its row of the tables; without pages its slot and the keys before it
  const int* slot;        // of the token, and its keys with its own, where they lie in pages
  const int* keys;
  const int* pages;       // [pages_per_sequence]
  const char* cos;        // [P, R]
  const char* sin;
  i64 q_head_stride, k_head_stride, v_head_stride;  // bytes, of q, k and v
  i64 k_token_stride, k_cache_head_stride;          // of the caches
  i64 v_token_stride, v_cache_head_stride;
  float q_eps, k_eps, scale, soft_cap;
  u32 count;              // of steps
  u32 places;             // P
  u32 group, kv_heads, capacity, window, chunk, pieces, least_keys;
  u32 page_size, pages_per_sequence;
  u32 words;              // of a set
  Faults* faults;         // of a position from P up, or a slot from `capacity` up
};

constexpr u32 WARPS = 8, THREADS = 32 * WARPS;  // that compute; of four warps more, which leave them their registers, one starts copies
constexpr u32 ROW_CHUNKS = QK_MOST_INPUTS / CHUNK;

struct alignas(16) Held {
  Chunk<QK_DTYPE> chunk;
};

// A step, and its outputs that are this block's: from the first to before the second.
struct Assigned {
  DecodeStep step;
  u32 outputs[2];
};

// The block's shared memory, behind the ring.
struct Room {
  Held x[ROW_CHUNKS];
  float sums[2][QK_MOST_SUMS];
  float of_warp[32];
  u64 full[QK_SLOTS], empty[QK_SLOTS];
  Assigned assigned[2];  // in turn
  int position, slot;
  int keys, starts[2];  // as attention_span.cuh has them: of one sequence, whose first token is this one
  u32 launch;
};

DEVICE char* ring() { return dynamic_shared(); }
DEVICE Room& room() { return *reinterpret_cast<Room*>(dynamic_shared() + QK_SLOTS * QK_SLOT); }

DEVICE void meet() { meet_threads<1>(THREADS); }

// ---- what blocks tell one another ----

// Words of 32 bits, two elements of a tensor or one f32, of which all bits are turned over: zeros say that it is not there yet.
// Launches have one of two sets in turn, and clear the words of the other, which all have heard.
struct Telling {
  u32* words;
  i64 other;  // from a word to that of the other set

  __device__ __forceinline__ Telling from(u32 first) const { return {words + first, other}; }

  // Of what are no numbers at all, two elements or one f32, one has to be told as another.
  __device__ __forceinline__ static u32 word_of(u32 value) { return value == ~0u ? ~0x7fff7fffu : ~value; }

  // COUNT (1, 2 or 4) neighbours; `at` is a multiple.
  template <int COUNT>
  __device__ __forceinline__ void tell(u32 at, const u32 (&values)[COUNT]) const {
    u32 word[COUNT];
#pragma unroll
    for (int i = 0; i < COUNT; ++i) word[i] = word_of(values[i]);
    tell_words(words + at, word);
  }

  template <int COUNT>
  __device__ __forceinline__ void clear_other(u32 at) const {
    const u32 nothing[COUNT] = {};
    store_words<COUNT>(reinterpret_cast<char*>(words + at + other), nothing);
  }

  // COUNT (2 or 4) neighbouring values, as soon as they are there for once: false, as long as one is not. `at` is a multiple.
  template <int COUNT>
  __device__ __forceinline__ bool hear(u32 at, u32 (&values)[COUNT]) const {
    bool there = true;
    hear_words(words + at, values);
#pragma unroll
    for (u32& value : values) there &= value != 0, value = ~value;
    return there;
  }
};

DEVICE Telling telling_of(const DecodeArgs& args) {
  const bool odd = room().launch % 2 == 1;
  return {args.told + (odd ? args.words : 0), odd ? -static_cast<i64>(args.words) : static_cast<i64>(args.words)};
}

// The last block at its end counts the launch. All have read its number.
DEVICE void end_launch(const DecodeArgs& args) {
  meet();
  if (threadIdx.x != 0 || atomicAdd(args.launches + 1, 1u) != gridDim.x - 1) return;
  args.launches[0] = room().launch;
  args.launches[1] = 0;
}

// The outputs that are this block's, from its first to the next one's: pairs, since two are a word, but for the last of an odd
// number. Outputs times blocks are below 2^32.
DEVICE u32 first_output(u32 outputs, u32 block) {
  return block == gridDim.x ? outputs : 2 * (outputs / 2 * block / gridDim.x);
}

// Brings step `i` to where the block's threads look for it: LDS finds at once what is far away as an argument. One warp.
DEVICE void assign_step(const DecodeArgs& args, u32 i) {
  constexpr u32 WORDS = sizeof(DecodeStep) / 4;
  static_assert(WORDS <= 32, "a lane for each word");
  if (i >= args.count) return;
  const u32 lane = threadIdx.x % 32;
  Assigned& to = room().assigned[i % 2];
  const DecodeStep& step = args.steps[i];
  if (lane < WORDS) reinterpret_cast<u32*>(&to.step)[lane] = reinterpret_cast<const u32*>(&step)[lane];
  if (lane < 2) to.outputs[lane] = first_output(step.outputs, blockIdx.x + lane);
}
