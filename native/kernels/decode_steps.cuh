// What a step of decode_steps.cu knows: its arguments, how the block's shared memory is used, and what blocks tell one another.
//
// QK_DTYPE        1 bf16, 2 f16: of all tensors and weights
// QK_STEPS        steps that a launch has room for
// QK_PRODUCTS     braces with the numbers of a Product for each that is different: {1024,4096,1,1,0,0,0},{...}
// QK_MOST_INPUTS  the largest K
// QK_SLOT         bytes of a slot of the ring, and QK_SLOTS how many there are; QK_SHARED bytes of a block's memory, the ring's too
// QK_NORM_KIND    0 rms, 2 l2, 3 unit; QK_NORM_DTYPE of the weight, QK_NORM_OFFSET 0 or 1: the norms in front of products

// A product that is different from others: y = residual + act(norm(x) * w^T + bias) of one row x. As gemv.cu, bit for bit.
struct Product {
  u32 inputs, outputs;  // K, a multiple of 8, and N; with SwiGLU I, the gates
  u32 parts;            // of a row, added up one by one: QK_SPLIT of gemv.cu
  int norm;             // 1: normalised first; 2: without a weight
  int swiglu, bias, residual;
};

constexpr Product products[] = {QK_PRODUCTS};
constexpr int PRODUCTS = sizeof(products) / sizeof(Product);
constexpr u32 ATTENTION = 255;

// Words that nobody tells or hears: those of an x that was there before the launch, or of a y that no step reads.
constexpr u32 NO_WORDS = ~0u;

struct DecodeStep {
  // Of a product: x, w, norm weight, bias, residual, y; a y of none is left to the attention that reads it.
  // Attention: q, k, v, k cache, v cache, out, q and k weight.
  const char* at[8];
  u32 kind;           // the number of a product, or ATTENTION
  float eps;          // of the norm before a product
  // The first of the words (Telling) of a product's x and y; of attention's q, k, v, of its out and of its pieces.
  u32 words[5];
  u32 none;
};

struct DecodeArgs {
  DecodeStep steps[QK_STEPS];
  u32* launches;          // how many there were, and how many blocks of this one are at their end
  u64* told;              // words of all steps, which no two launches have
  const int* position;    // of the token: keys before it, its slot, and its row of the tables
  const char* cos;        // [P, R]
  const char* sin;
  i64 q_head_stride, k_head_stride, v_head_stride;  // bytes, of q, k and v
  i64 k_token_stride, k_cache_head_stride;          // of the caches
  i64 v_token_stride, v_cache_head_stride;
  float q_eps, k_eps, scale, soft_cap;
  u32 count;              // of steps
  u32 places;             // P
  u32 group, kv_heads, capacity, window, chunk, pieces, least_keys;
};

constexpr u32 WARPS = 8, THREADS = 32 * WARPS;  // that compute; one warp more starts copies
constexpr u32 ROW_CHUNKS = QK_MOST_INPUTS / CHUNK;
constexpr u32 MOST_SUMS = 2048;

struct alignas(16) Held {
  Chunk<QK_DTYPE> chunk;
};

// The block's shared memory, behind the ring.
struct Room {
  Held x[ROW_CHUNKS];
  float sums[2][MOST_SUMS];
  float of_warp[32];
  u64 full[QK_SLOTS], empty[QK_SLOTS];
  int position;
  u32 launch;
};

DEVICE char* ring() { return dynamic_shared(); }
DEVICE Room& room() { return *reinterpret_cast<Room*>(dynamic_shared() + QK_SLOTS * QK_SLOT); }

DEVICE void meet() { meet_threads<1>(THREADS); }

// ---- what blocks tell one another ----

// Words of 64 bits, each with the number of the launch that stored it. Two elements of a tensor are a word, or one f32.
struct Telling {
  u64* words;
  u32 launch;

  __device__ __forceinline__ Telling from(u32 first) const { return {words + first, launch}; }

  __device__ __forceinline__ void tell(u32 at, u32 value) const { tell_word(words + at, static_cast<u64>(launch) << 32 | value); }

  // Two neighbouring values, as soon as they are there for once: false, as long as one is not. `at` is even.
  __device__ __forceinline__ bool hear(u32 at, u32 (&values)[2]) const {
    u64 found[2];
    hear_two(words + at, found);
    values[0] = static_cast<u32>(found[0]), values[1] = static_cast<u32>(found[1]);
    return static_cast<u32>(found[0] >> 32) == launch && static_cast<u32>(found[1] >> 32) == launch;
  }

  // The eight elements of a chunk.
  __device__ __forceinline__ bool hear(u32 at, Chunk<QK_DTYPE>& chunk) const {
    u32 low[2], high[2];
    const bool first = hear(at, low), second = hear(at + 2, high);
    chunk.word[0] = low[0], chunk.word[1] = low[1], chunk.word[2] = high[0], chunk.word[3] = high[1];
    return first && second;
  }
};

DEVICE Telling telling_of(const DecodeArgs& args) { return {args.told, room().launch}; }

// The last block at its end counts the launch. All have read its number.
DEVICE void end_launch(const DecodeArgs& args) {
  meet();
  if (threadIdx.x != 0 || atomicAdd(args.launches + 1, 1u) != gridDim.x - 1) return;
  args.launches[0] = room().launch;
  args.launches[1] = 0;
}

// ---- the ring ----

// A place in the ring of weights, which producer and consumers go round alike.
struct Place {
  u32 slot = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++slot == QK_SLOTS) slot = 0, parity ^= 1;
  }
};

// The outputs that are this block's, from its first to the next one's: pairs, since two are a word, but for the last of an odd
// number. Outputs times blocks are below 2^32.
DEVICE u32 first_output(u32 outputs, u32 block) {
  return block == gridDim.x ? outputs : 2 * (outputs / 2 * block / gridDim.x);
}

// How a product's outputs go through the ring.
template <int N>
struct Flow {
  static constexpr Product P = products[N];
  static constexpr u32 ROW = P.inputs * bytes_of(QK_DTYPE), ROWS_OF_OUTPUT = P.swiglu ? 2 : 1;
  static constexpr u32 ROOM = QK_SLOT / (ROW * ROWS_OF_OUTPUT);
  static constexpr u32 BY_SUMS = MOST_SUMS / (P.parts * ROWS_OF_OUTPUT), BY_THREADS = THREADS;
  static constexpr u32 MOST = BY_SUMS < BY_THREADS ? BY_SUMS : BY_THREADS;
  // Outputs of a slot, and those that are finished at once: pairs.
  static constexpr u32 STAGE = ROOM % 2 == 1 && ROOM > 1 && 2 * ROOM > MOST ? ROOM - 1 : ROOM;
  static constexpr u32 TILE = STAGE > MOST ? MOST : STAGE % 2 == 0 ? MOST / STAGE * STAGE : MOST / (2 * STAGE) * 2 * STAGE;
  static_assert(ROOM > 0, "a slot holds a row of each part of an output");
  static_assert(TILE > 0 && TILE % 2 == 0, "an output is finished with its neighbour");
};
