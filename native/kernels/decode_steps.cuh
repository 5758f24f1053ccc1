// What a step of decode_steps.cu knows: its arguments, how the block's shared memory is used, and how the grid waits.
//
// QK_DTYPE        1 bf16, 2 f16: of all tensors and weights
// QK_STEPS        steps that a launch has room for
// QK_PRODUCTS     braces with the numbers of a Product for each that is different: {1024,4096,1,1,0,0,0,0},{...}
// QK_MOST_INPUTS  the largest K
// QK_SLOT         bytes of a slot of the ring, and QK_SLOTS how many there are
// QK_NORM_KIND    0 rms, 2 l2, 3 unit; QK_NORM_DTYPE of the weight, QK_NORM_OFFSET 0 or 1: the norms in front of products

// A product that is different from others: y = residual + act(norm(x) * w^T + bias) of one row x. As gemv.cu, bit for bit.
struct Product {
  u32 inputs, outputs;  // K, a multiple of 8, and N; with SwiGLU I, the gates
  u32 parts;            // of a row, added up one by one: QK_SPLIT of gemv.cu
  int norm;             // 1: normalised first; 2: without a weight
  int swiglu, bias, residual;
  int attended;         // x is what attention left in pieces
};

constexpr Product products[] = {QK_PRODUCTS};
constexpr int PRODUCTS = sizeof(products) / sizeof(Product);
constexpr u32 ATTENTION = 255;

struct DecodeStep {
  const char* at[8];  // of a product: x, w, norm weight, bias, residual, y. Attention: q, k, v, k cache, v cache, out, q and k weight
  u32 kind;           // the number of a product, or ATTENTION
  float eps;          // of the norm before a product
};

struct DecodeArgs {
  DecodeStep steps[QK_STEPS];
  u32* arrivals;          // 0 between launches
  float* partial;         // attention_span.cuh
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
};

DEVICE char* ring() { return dynamic_shared(); }
DEVICE Room& room() { return *reinterpret_cast<Room*>(dynamic_shared() + QK_SLOTS * QK_SLOT); }

DEVICE void meet() { meet_threads<1>(THREADS); }

// Where the block stands among the grid's meetings.
struct Meetings {
  u32 count = 0;

  // The block's writes are done.
  __device__ __forceinline__ void arrive(const DecodeArgs& args) {
    ++count;
    meet();
    if (threadIdx.x == 0) arrive_in_grid(args.arrivals);
  }
  // All blocks' are.
  __device__ __forceinline__ void wait(const DecodeArgs& args) const {
    if (threadIdx.x == 0) {
      while (arrived_in_grid(args.arrivals) < count * gridDim.x) {}
    }
    meet();
  }
  // The last to come leaves the count as it was found.
  __device__ __forceinline__ void end(const DecodeArgs& args) const {
    meet();
    if (threadIdx.x == 0 && atomicAdd(args.arrivals, 1u) == (count + 1) * gridDim.x - 1) *args.arrivals = 0;
  }
};

// A place in the ring of weights, which producer and consumers go round alike.
struct Place {
  u32 slot = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++slot == QK_SLOTS) slot = 0, parity ^= 1;
  }
};

// The outputs that are this block's, from its first to the next one's; outputs times blocks are below 2^32.
DEVICE u32 first_output(u32 outputs, u32 block) { return outputs * block / gridDim.x; }

// How a product's outputs go through the ring.
template <int N>
struct Flow {
  static constexpr Product P = products[N];
  static constexpr u32 ROW = P.inputs * bytes_of(QK_DTYPE), ROWS_OF_OUTPUT = P.swiglu ? 2 : 1;
  static constexpr u32 STAGE = QK_SLOT / (ROW * ROWS_OF_OUTPUT);          // outputs of a slot
  static constexpr u32 BY_SUMS = MOST_SUMS / (P.parts * ROWS_OF_OUTPUT), BY_THREADS = THREADS;
  static constexpr u32 MOST = BY_SUMS < BY_THREADS ? BY_SUMS : BY_THREADS;
  static constexpr u32 TILE = STAGE > MOST ? MOST : MOST / STAGE * STAGE;  // outputs that are finished at once
  static_assert(STAGE > 0, "a slot holds a row of each part of an output");
};
