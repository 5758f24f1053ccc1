// Rows that lanes hold (norm_rows.cuh), into the memory of a cache (e4m3.cuh).
//
// QK_CACHE           0: none; 1: keys and values are stored
// QK_CACHE_DTYPE     0 f32, 1 bf16, 2 f16, 3 e4m3 of the OCP
// QK_CACHE_ALIGN     bytes that its addresses and strides are multiples of: 16, 8, 4 or 2 (f32 and e4m3: 4 or more)
// QK_SCALES          0: none; 1: the scale of each row is its largest magnitude over 448, and written; 2: it is read

#ifdef QK_EMULATED
DEVICE void pin(i64&) {}
#else
DEVICE void pin(i64& number) { asm volatile("" : "+l"(number)); }
#endif

// The largest magnitude of each row, the same in each of its lanes. Every lane of the warp comes here.
DEVICE void largest_of(const Row (&rows)[ROWS], float (&largest)[ROWS], u32 lane) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    float most = 0;
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (!holds(lane, j)) continue;
#pragma unroll
      for (int pair = 0; pair < CHUNK / 2; ++pair) {
        float a, b;
        get_pair(rows[r].chunk[j], pair, a, b);
        most = fmaxf(most, fmaxf(fabsf(a), fabsf(b)));
      }
    }
#pragma unroll
    for (int half = LANES / 2; half > 0; half /= 2) most = fmaxf(most, shuffled(most, half));
    largest[r] = most;
  }
}

// Eight values as the cache has them.
DEVICE void store_cached(char* to, const Chunk<QK_DTYPE>& chunk, float inverse) {
  if constexpr (QK_CACHE_DTYPE == QK_DTYPE) {
    store_chunk<QK_DTYPE, QK_CACHE_ALIGN>(to, chunk);
  } else if constexpr (QK_CACHE_DTYPE == E4M3) {
    u32 words[2] = {0, 0};
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(chunk, pair, a, b);
      words[pair / 2] |= pack_e4m3(__fmul_rn(a, inverse), __fmul_rn(b, inverse)) << pair % 2 * 16;
    }
    if constexpr (QK_CACHE_ALIGN >= 8) {
      store_words<2>(to, words);
    } else {
      store_words<1>(to, words);
      store_words<1>(to + 4, words + 1);
    }
  } else {
    Chunk<QK_CACHE_DTYPE> converted;
#pragma unroll
    for (int pair = 0; pair < CHUNK / 2; ++pair) {
      float a, b;
      get_pair(chunk, pair, a, b);
      set_pair(converted, pair, a, b);
    }
    store_chunk<QK_CACHE_DTYPE, QK_CACHE_ALIGN>(to, converted);
  }
}

// Where the rows of slots go; strides are in bytes.
struct CacheRows {
  char* rows;
  char* scales;  // f32, without QK_SCALES not read
  i64 slot_stride, head_stride;
  i64 scale_slot_stride, scale_head_stride;
};

// The same from head number `head` on, at a lane's chunk.
DEVICE CacheRows cache_from(const CacheRows& cache, u32 head, u32 lane) {
  CacheRows from = cache;
  from.rows += head * cache.head_stride + lane * CHUNK * cache_bytes_of(QK_CACHE_DTYPE);
  if constexpr (QK_SCALES != NO_SCALES) from.scales += head * cache.scale_head_stride;
  return from;
}

// The first ROWS heads of `from`, of which `left` exist. `largest` is read with computed scales.
DEVICE void store_slot(const Row (&rows)[ROWS], const CacheRows& from, i64 slot, int left, u32 lane, const float (&largest)[ROWS]) {
  char* const first = from.rows + slot * from.slot_stride;
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    if (r >= left) continue;
    float inverse = 1;
    if constexpr (QK_SCALES != NO_SCALES) {
      float* const place = reinterpret_cast<float*>(from.scales + slot * from.scale_slot_stride + r * from.scale_head_stride);
      const float scale = QK_SCALES == COMPUTED ? scale_for(largest[r]) : *place;
      if (QK_SCALES == COMPUTED && lane == 0) *place = scale;
      inverse = __fdiv_rn(1.0f, scale);
    }
#pragma unroll
    for (int j = 0; j < HELD; ++j) {
      if (!holds(lane, j)) continue;
      store_cached(first + r * from.head_stride + j * LANES * CHUNK * cache_bytes_of(QK_CACHE_DTYPE), rows[r].chunk[j], inverse);
    }
  }
}
