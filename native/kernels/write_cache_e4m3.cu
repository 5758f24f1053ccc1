// Puts keys and values into the slots of caches of e4m3 (e4m3.cuh): token t of k and v [tokens, heads, head dim] goes to slot
// slots[t], times one over the scale of slot and head. A warp takes one row of k, or of v.
//
// QK_DTYPE      of k and v: 0 f32, 1 bf16, 2 f16
// QK_HEAD_DIM   1 and more
// QK_SCALES     1: the scale of each row is its largest magnitude over 448, and written; 2: it is read

struct Args {
  const char* k;
  const char* v;
  char* k_cache;
  char* v_cache;
  char* k_scales;  // f32 [capacity, heads]
  char* v_scales;
  const int* slots;  // [tokens]
  i64 k_token_stride, k_head_stride;  // bytes
  i64 v_token_stride, v_head_stride;
  i64 k_slot_stride, k_cache_head_stride;
  i64 v_slot_stride, v_cache_head_stride;
  i64 k_scale_slot_stride, k_scale_head_stride;
  i64 v_scale_slot_stride, v_scale_head_stride;
  u32 heads, rows;  // rows: of all tokens
  u32 capacity;     // slots of a cache; a token for one that is not there is left out
  Faults* faults;   // of those, but for NO_SLOT
};

constexpr int HELD = (QK_HEAD_DIM + 31) / 32;

DEVICE float element_of(const char* row, int i) {
  if constexpr (QK_DTYPE == F32) {
    return reinterpret_cast<const float*>(row)[i];
  } else {
    float value, other;
    unpack<QK_DTYPE>(reinterpret_cast<const u16*>(row)[i], value, other);
    return value;
  }
}

DEVICE void write_row(const char* row, char* to, float* scale_at) {
  const int lane = threadIdx.x % 32;
  float values[HELD];
  float largest = 0;
#pragma unroll
  for (int j = 0; j < HELD; ++j) {
    const int i = lane + 32 * j;
    values[j] = i < QK_HEAD_DIM ? element_of(row, i) : 0;
    largest = fmaxf(largest, fabsf(values[j]));  // NaN is no largest
  }
#pragma unroll
  for (int half = 16; half > 0; half /= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, half));
  const float scale = QK_SCALES == COMPUTED ? scale_for(largest) : *scale_at;
  if (QK_SCALES == COMPUTED && lane == 0) *scale_at = scale;
  const float inverse = __fdiv_rn(1.0f, scale);
#pragma unroll
  for (int j = 0; j < HELD; ++j) {
    const int i = lane + 32 * j;
    if (i < QK_HEAD_DIM) to[i] = static_cast<char>(pack_e4m3(__fmul_rn(values[j], inverse), 0));
  }
}

extern "C" __global__ void __launch_bounds__(128) write_cache_e4m3(const __grid_constant__ Args args) {
  allow_successor();
  const u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  if (row >= args.rows) return;
  const u32 head = row % args.heads, token = row / args.heads;
  wait_for_predecessor();
  const u32 slot = args.slots[token];
  if (slot >= args.capacity) {
    const bool tells = head == 0 && blockIdx.y == 0 && threadIdx.x % 32 == 0;
    if (slot != NO_SLOT && tells) tell_fault(args.faults, WRITE_SLOT, slot, args.capacity, token);
    return;
  }
  if (blockIdx.y == 0) {
    write_row(args.k + token * args.k_token_stride + head * args.k_head_stride,
              args.k_cache + slot * args.k_slot_stride + head * args.k_cache_head_stride,
              reinterpret_cast<float*>(args.k_scales + slot * args.k_scale_slot_stride + head * args.k_scale_head_stride));
  } else {
    write_row(args.v + token * args.v_token_stride + head * args.v_head_stride,
              args.v_cache + slot * args.v_slot_stride + head * args.v_cache_head_stride,
              reinterpret_cast<float*>(args.v_scales + slot * args.v_scale_slot_stride + head * args.v_scale_head_stride));
  }
}
