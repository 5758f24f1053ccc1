// Steps of a decoder for one token in one launch: products of matrices and attention, one after the other, over a grid whose
// blocks all run at the same time. What a launch apart from others pays at each of its ends, the way to memory and back, is
// paid here for what a step needs of the one before and for nothing else: one warp of each block fetches weights into a ring in
// shared memory as fast as there is room, whatever step the others are at.
//
// Blocks do not meet. Each element that a step leaves to another goes out as a word with the number of the launch in it
// (Telling), and who needs it looks at that word until it is there: a store and a load, where a meeting is a fence, a count and
// then a load. What was there before the launch is asked for meanwhile: the norm's gains, keys of earlier tokens. What a block
// wrote itself it reads as it lies: a residual is of the same outputs as the product that is added to it.
//
// The bits are those of gemv.cu, qk_norm_rope.cu and attention_decode.cu, whatever the number of blocks. QK_SETTLED holds: the
// weights do not change while it runs. The macros: decode_steps.cuh, norm_rows.cuh, rope.cuh, attention_pieces.cuh.
//
// QK_HEAD_NORM    0: q and k have no norm
// QK_ROPE_FIRST   1: the rotation, then the norm

template <int N>
DEVICE void run_product(const DecodeArgs& args, const DecodeStep& step, Place& place) {
  if constexpr (N < PRODUCTS) {
    if (step.kind != N) return run_product<N + 1>(args, step, place);
    Gains<N> gains;
    gains.load(step);
    take_x<N>(args, step, gains);
    multiply<N>(args, step, place);
  }
}

template <int N>
DEVICE void fetch_step(const DecodeStep& step, Place& place) {
  if constexpr (N < PRODUCTS) {
    if (step.kind == N) fetch_weights<N>(step, place);
    else fetch_step<N + 1>(step, place);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS + 32, 1) decode_steps(const __grid_constant__ DecodeArgs args) {
  const u32 warp = threadIdx.x / 32;
  if (threadIdx.x == 0) {
    for (u32 slot = 0; slot < QK_SLOTS; ++slot) begin_barrier(&room().full[slot], 1), begin_barrier(&room().empty[slot], WARPS);
    room().position = *args.position;
    room().launch = args.launches[0] + 1;
    find_piece_of_block(args);
  }
  __syncthreads();
  Place place;
  if (warp == WARPS) {
    if (threadIdx.x % 32 != 0) return;
    for (u32 i = 0; i < args.count; ++i) {
      if (args.steps[i].kind != ATTENTION) fetch_step<0>(args.steps[i], place);
    }
    return;
  }
  for (u32 i = 0; i < args.count; ++i) {
    const DecodeStep& step = args.steps[i];
    if (step.kind == ATTENTION) run_attention(args, step);
    else run_product<0>(args, step, place);
  }
  end_launch(args);
}
