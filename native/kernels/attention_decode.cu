// Attention of few queries: pieces of the keys (attention_direct.cuh), a block for each, or the same blocks for all in turn.
//
// QK_RESIDENT   blocks that a multiprocessor's registers are to have room for
// The other macros: attention_direct.cuh.

constexpr int AHEAD = 3;  // steps that are asked for

DEVICE void absorb_piece(const Args& args, const Piece& piece, Shared& shared) {
  constexpr int TURN = QK_WARPS * STEP;
  const int begin = piece.keys.first + static_cast<int>(threadIdx.x) / 32 * STEP;
  for (int step = 1; step < AHEAD; ++step) prefetch_step(args, piece, begin + step * TURN);
  Row row;
  load_row(args, piece, row);
  for (int key = begin; key < piece.keys.last; key += TURN) {
    prefetch_step(args, piece, key + AHEAD * TURN);
    Step step;
    load_step(args, piece, key, step);
    float scores[2][2];
    score_step(args, row, step, key, scores);
    absorb(row, scores);
    if constexpr (WITH_VALUES) multiply_values(row, step, scores);
  }
  wait_in_cluster();
  share_row(row, shared);
  __syncthreads();
  join_warps(args, piece, shared, LeavePiece{});
}

extern "C" __global__ void IN_CLUSTERS __launch_bounds__(QK_WARPS * 32, QK_RESIDENT)
    attention_decode(const __grid_constant__ Args args) {
  __shared__ Shared shared;
  if constexpr (QK_CLUSTER == 0) allow_successor();
  arrive_in_cluster();  // others may write here
  wait_for_predecessor();
  // A step of one text: from here on the products behind may bring their weights, and no longer beside the product in front.
  if constexpr (QK_CLUSTER > 0) allow_successor();
  Piece piece;
  if constexpr (QK_CLUSTER == 0) {
    // Most pieces of a batch are empty, and the same blocks go over all.
    const u32 total = args.blocks * args.kv_heads * args.batch;
    for (u32 index = blockIdx.x; index < total; index += gridDim.x) {
      if (!find_piece(args, index, piece) || piece.number >= piece.cut.count) continue;
      absorb_piece(args, piece, shared);
      __syncthreads();
    }
  } else {
    const bool there = find_piece(args, blockIdx.x, piece);
    if (there && piece.number < piece.cut.count) absorb_piece(args, piece, shared);
    else wait_in_cluster();
    if (!there || piece.cut.count == 1) return;
    arrive_in_cluster();  // all is written
    if (piece.number < QK_CLUSTER - 1) return;
    wait_in_cluster();
    join_cluster(args, piece);
  }
}
