// q, k and v of a key/value head of decode_steps.cu, as soon as the products in front have told them: normalised and turned, as
// qk_norm_rope.cu does it, bit for bit.

enum Which : u32 { Q, K, V };

// One of the three warps that bring q, k and v of a key/value head.
struct HeadWarp {
  heads::Affine affine;
  heads::Angles angles[heads::TURNING];

  // Before they are there: what no step writes.
  __device__ __forceinline__ void prepare(const DecodeArgs& args, const DecodeStep& step, u32 which, u32 lane) {
    const bool there = which != V && lane < LANES_OF_HEAD;
    const char* weight = step.at[6 + (which & 1)] + lane * CHUNK * bytes_of(QK_WEIGHT_DTYPE);
    if constexpr (QK_WEIGHT) heads::load_held<QK_WEIGHT_DTYPE, 16>(affine.weight, weight, lane, there);
    const u32 position = room().position;
    const i64 row = static_cast<i64>(position < args.places ? position : args.places - 1) * (4 * heads::HALF);
    if constexpr (QK_HALF > 0) heads::load_turns(angles, args.cos + row, args.sin + row, lane, there);
  }

  // Into shared memory; with `last` back to where the tensor is, too.
  __device__ __forceinline__ void bring(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane, bool last) {
    const bool there = lane < LANES_OF_HEAD;
    const i64 stride = which == Q ? args.q_head_stride : which == K ? args.k_head_stride : args.v_head_stride;
    const u32 head = which == Q ? kv_head * args.group : kv_head;
    const int left = !there ? 0 : which == Q ? static_cast<int>(args.group) : 1;
    heads::Row rows[heads::ROWS];
    hear_rows(telling_of(args).from(step.words[which] + head * (stride / 4)), stride / 4, left, lane, rows);
    if (which != V) {
      if constexpr (QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
      if constexpr (QK_HEAD_NORM) heads::normalize(rows, affine, which == Q ? args.q_eps : args.k_eps, lane);
      if constexpr (!QK_ROPE_FIRST) heads::rotate(rows, angles, lane, true);
    }
    AttentionRoom& to = attention_room();
#pragma unroll
    for (int r = 0; r < heads::ROWS; ++r) {
      if (r >= left) continue;
      Held& held = which == Q ? to.q[r][lane] : which == K ? to.k[lane] : to.v[lane];
      held.chunk = rows[r].chunk[0];
    }
    if (last) heads::store_rows(rows, const_cast<char*>(step.at[which]) + head * stride + lane * 16, stride, left, lane);
  }

  // Rows that lie `stride` words apart, of which `left` exist; zeros stand for the others.
  __device__ __forceinline__ static void hear_rows(const Telling& told, i64 stride, int left, u32 lane,
                                                   heads::Row (&rows)[heads::ROWS]) {
    for (bool missing = true; missing;) {
      missing = false;
#pragma unroll
      for (int r = 0; r < heads::ROWS; ++r) {
        if (r < left) missing |= !told.hear(static_cast<u32>(r * stride) + 4 * lane, rows[r].chunk[0].word);
        else for (u32& word : rows[r].chunk[0].word) word = 0;
      }
      if (missing) look_again();
    }
    __syncwarp();
  }
};

// Writes the key and the value to the token's slot.
DEVICE void write_slot(const DecodeArgs& args, const DecodeStep& step, u32 kv_head, u32 which, u32 lane) {
  const u32 slot = room().slot;
  if (slot >= args.capacity || lane >= LANES_OF_HEAD) return;
  const i64 at = which == K ? slot * args.k_token_stride + kv_head * args.k_cache_head_stride
                            : slot * args.v_token_stride + kv_head * args.v_cache_head_stride;
  const Held& from = which == K ? attention_room().k[lane] : attention_room().v[lane];
  store_chunk<QK_DTYPE, 16>(const_cast<char*>(step.at[which + 2]) + at + lane * 16, from.chunk);
}
