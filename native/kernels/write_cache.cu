// Puts keys and values into the slots of their caches: token t of k and v [tokens, heads, head dim] goes to slot slots[t].
// A thread takes one chunk of 8 elements of k, and the same of v.
//
// QK_DTYPE      of k and v: 0 f32, 1 bf16, 2 f16
// QK_CACHE      of the caches, numbered like QK_DTYPE; each value is rounded once
// QK_HEAD_DIM   1 and more
// QK_ALIGN      bytes that the addresses and strides of k and v are multiples of: 16, 8, 4 or 2 (f32: 4 or more)
// QK_CACHE_ALIGN  the same for the caches

struct Args {
  const char* k;
  const char* v;
  char* k_cache;
  char* v_cache;
  const int* slots;         // [tokens]
  i64 k_token_stride, k_head_stride;  // bytes
  i64 v_token_stride, v_head_stride;
  i64 k_slot_stride, k_cache_head_stride;
  i64 v_slot_stride, v_cache_head_stride;
  u32 heads, chunks;        // chunks: of all tokens
  u32 capacity;             // slots of a cache; a token for one that is not there is left out
  Faults* faults;           // of those, but for NO_SLOT
};

constexpr u32 CHUNKS = (QK_HEAD_DIM + CHUNK - 1) / CHUNK;

template <int FROM, int TO>
DEVICE Chunk<TO> converted(const Chunk<FROM>& from) {
  if constexpr (FROM == TO) {
    return from;
  } else {
    Chunk<TO> to;
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(from, pair, a, b);
      set_pair(to, pair, a, b);
    }
    return to;
  }
}

extern "C" __global__ void __launch_bounds__(128) write_cache(const __grid_constant__ Args args) {
  allow_successor();
  const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
  if (index >= args.chunks) return;
  const u32 c = index % CHUNKS, row = index / CHUNKS, head = row % args.heads, token = row / args.heads;
  const int count = QK_HEAD_DIM % CHUNK != 0 && c == CHUNKS - 1 ? QK_HEAD_DIM % CHUNK : CHUNK;
  const i64 from = static_cast<i64>(c) * CHUNK * bytes_of(QK_DTYPE), to = static_cast<i64>(c) * CHUNK * bytes_of(QK_CACHE);
  wait_for_predecessor();
  const u32 slot = args.slots[token];
  const auto k = load_part<QK_DTYPE, QK_ALIGN>(args.k + token * args.k_token_stride + head * args.k_head_stride + from, count);
  const auto v = load_part<QK_DTYPE, QK_ALIGN>(args.v + token * args.v_token_stride + head * args.v_head_stride + from, count);
  if (slot >= args.capacity) {
    if (slot != NO_SLOT && head == 0 && c == 0) tell_fault(args.faults, WRITE_SLOT, slot, args.capacity, token);
    return;
  }
  char* const k_to = args.k_cache + slot * args.k_slot_stride + head * args.k_cache_head_stride + to;
  char* const v_to = args.v_cache + slot * args.v_slot_stride + head * args.v_cache_head_stride + to;
  store_part<QK_CACHE, QK_CACHE_ALIGN>(k_to, converted<QK_DTYPE, QK_CACHE>(k), count);
  store_part<QK_CACHE, QK_CACHE_ALIGN>(v_to, converted<QK_DTYPE, QK_CACHE>(v), count);
}
