// How the warps of a block leave what they have of a tile (attention_direct.cuh): added up in one order, and then where it
// belongs.

struct Shared {
  State state[QK_ROWS][QK_WARPS];
  alignas(16) float values[QK_WARPS][QK_ROWS][QK_HEAD_DIM];
};

// What the pieces of a tile leave for the last block of their cluster, in its dynamic shared memory.
struct ClusterRoom {
  float* values;  // [pieces, QK_ROWS, head dim]
  float* states;  // [QK_ROWS, pieces, 2]

  __device__ __forceinline__ float* value_of(int piece, int r) const {
    return values + (piece * QK_ROWS + r) * QK_HEAD_DIM;
  }
  __device__ __forceinline__ float* state_of(int piece, int r) const { return states + (r * QK_CLUSTER + piece) * 2; }
};

DEVICE ClusterRoom cluster_room() {
  float* const room = reinterpret_cast<float*>(dynamic_shared());
  return {room, room + QK_CLUSTER * QK_ROWS * QK_HEAD_DIM};
}

template <int STAGE = QK_STAGE>
DEVICE void share_row(const Row& row, Shared& shared) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, r = lane / 4, pair = lane % 4;
  float sum = row.state.sum;
  sum += __shfl_xor_sync(0xffffffffu, sum, 1);
  sum += __shfl_xor_sync(0xffffffffu, sum, 2);
  if (r >= QK_ROWS) return;
  if (STAGE != VALUES && pair == 0) shared.state[r][warp] = {row.state.largest, sum};
  if constexpr (!with_values(STAGE)) return;
#pragma unroll
  for (int h = 0; h < HALVES; ++h) {
    float* const to = shared.values[warp][r] + 64 * h + 16 * pair;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float(&value)[4] = row.values[h][i];
      to[i] = value[0] + value[2];
      to[8 + i] = value[1] + value[3];
    }
  }
}

// A piece that goes where its launch ends: to the result where there is one piece, to the last block of the cluster, or to memory
// for attention_join.cu.
struct LeavePiece {
  // The state of row lane / QK_WARPS, where its piece is one of several.
  static __device__ __forceinline__ void state(const Args& args, const Piece& piece, const State& all) {
    const auto& [sequence, tile, cut, number, keys] = piece;
    const int r = threadIdx.x / QK_WARPS;
    if (threadIdx.x >= 32 || threadIdx.x % QK_WARPS != 0 || r >= tile.count) return;
    if (QK_STAGE == ONCE && cut.count == 1) return;
    if constexpr (QK_CLUSTER > 0) {
      store_to_block<1>(cluster_room().state_of(number, r), QK_CLUSTER - 1, {all.largest});
      store_to_block<1>(cluster_room().state_of(number, r) + 1, QK_CLUSTER - 1, {all.sum});
    } else {
      float* const state = partial_state(args, sequence, tile, cut, r) + 2 * number;
      if constexpr (QK_STAGE != SUMS) state[0] = all.largest;
      state[1] = all.sum;
    }
  }

  // Four elements of a row.
  static __device__ __forceinline__ void values(const Args& args, const Piece& piece, int r, int element, const State& all,
                                   float (&values)[4]) {
    const auto& [sequence, tile, cut, number, keys] = piece;
    if (cut.count > 1) {
      if constexpr (QK_CLUSTER > 0) {
        store_to_block<4>(cluster_room().value_of(number, r) + element, QK_CLUSTER - 1, values);
      } else {
        float* const to = partial_values(args, first_slot(args, sequence, tile, cut, r) + number) + element;
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = values[i];
      }
      return;
    }
    if constexpr (QK_STAGE == ONCE) {
      const float sink = sink_of(args, tile.head_of(args, r));
#pragma unroll
      for (float& value : values) value = finished(value, all, sink);
    }
    const u32 words[2] = {pack<QK_DTYPE>(values[0], values[1]), pack<QK_DTYPE>(values[2], values[3])};
    const i64 at = row_number(args, sequence, tile, r) * QK_HEAD_DIM + element;
    store_words<2>(args.out + at * bytes_of(QK_DTYPE), words);
  }
};

// What the warps' shares of row lane / QK_WARPS come to.
DEVICE Weights weigh_warps(const Shared& shared) {
  static_assert(QK_ROWS * QK_WARPS <= 32, "a lane for each row of each warp");
  const int lane = threadIdx.x % 32;
  State part = {NOTHING, 0};
  if (lane < QK_ROWS * QK_WARPS) part = shared.state[lane / QK_WARPS][lane % QK_WARPS];
  return weigh<QK_WARPS>(part);
}

// Adds up what the warps have of each row, in one order, and leaves it as `leave` does.
template <int STAGE = QK_STAGE, class Leave>
DEVICE void join_warps(const Args& args, const Piece& piece, const Shared& shared, const Leave& leave) {
  constexpr int FOURS = QK_HEAD_DIM / 4;
  const int lane = threadIdx.x % 32;
  Weights weights = {1, {NOTHING, 0}};  // with their values, probabilities are what they are to be
  if constexpr (STAGE != VALUES) {
    weights = weigh_warps(shared);
    leave.state(args, piece, weights.all);
  }
  if constexpr (!with_values(STAGE)) return;
  const int total = piece.tile.count * FOURS;
  for (int first = threadIdx.x - lane; first < total; first += QK_WARPS * 32) {
    const int item = first + lane, r = item < total ? item / FOURS : 0, element = item % FOURS * 4;
    const State all = {__shfl_sync(0xffffffffu, weights.all.largest, r * QK_WARPS),
                       __shfl_sync(0xffffffffu, weights.all.sum, r * QK_WARPS)};
    float values[4] = {0, 0, 0, 0};
#pragma unroll
    for (int w = 0; w < QK_WARPS; ++w) {
      const float factor = __shfl_sync(0xffffffffu, weights.factor, r * QK_WARPS + w);
#pragma unroll
      for (int i = 0; i < 4; ++i) values[i] = __fmaf_rn(shared.values[w][r][element + i], factor, values[i]);
    }
    if (item < total) leave.values(args, piece, r, element, all, values);
  }
}

// The last block of a cluster: the pieces of all rows, in their order. As attention_join.cu adds them up.
DEVICE void join_cluster(const Args& args, const Piece& piece) {
  const auto& [sequence, tile, cut, number, keys] = piece;
  const ClusterRoom room = cluster_room();
  const int lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < tile.count * QK_HEAD_DIM; i += QK_WARPS * 32) {
    const int r = i / QK_HEAD_DIM, element = i % QK_HEAD_DIM;  // one row for all lanes of a warp
    State part = {NOTHING, 0};
    if (lane < cut.count) part = {room.state_of(lane, r)[0], room.state_of(lane, r)[1]};
    const Weights weights = weigh<32>(part);
    const float value = sum_parts(room.value_of(0, r) + element, QK_ROWS * QK_HEAD_DIM, cut.count, weights.factor);
    const i64 at = row_number(args, sequence, tile, r) * QK_HEAD_DIM + element;
    store_out(args.out + at * bytes_of(QK_DTYPE), finished(value, weights.all, sink_of(args, tile.head_of(args, r))));
  }
}
