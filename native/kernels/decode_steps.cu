// Steps of a decoder for one token in one launch: products of matrices and attention, one after the other, over a grid whose
// blocks all run at the same time. What a launch apart from others pays at each of its ends, the way to memory and back, is
// paid here for what a step needs of the one before and for nothing else: one warp of each block fetches weights into a ring in
// shared memory as fast as there is room, whatever step the others are at.
//
// Blocks do not meet. Each element that a step leaves to another goes out in a word that is zero before (Telling), and who needs
// it looks at that word until it is there: a store and a load, where a meeting is a fence, a count and then a load.
// What was there before the launch is asked for meanwhile: the norm's gains, keys of earlier tokens. What a block wrote itself it
// reads as it lies: a residual is of the same outputs as the product that is added to it.
//
// The bits are those of gemv.cu, qk_norm_rope.cu and attention_decode.cu or attention_ring.cu, whatever the number of blocks.
// QK_SETTLED holds: the weights do not change while it runs. The macros: decode_steps.cuh, norm_rows.cuh, rope.cuh, attention_pieces.cuh.
//
// QK_HF           0: all is rounded once; 1: norms, gates and probabilities are rounded as transformers does
// QK_PAGED        1: keys lie in pages, and the token goes to a slot of its own; 0: token i has slot i
// QK_IN_HALVES    1: scores are added up as in attention_ring.cu, 0: as in attention_decode.cu
// QK_HEAD_NORM    0: q and k have no norm
// QK_ROPE_FIRST   1: the rotation, then the norm

// The tables are read at their last row then, and nothing is stored.
DEVICE void check_place(const DecodeArgs& args, u32 position, u32 slot) {
  if (QK_HALF > 0 && position >= args.places) tell_fault(args.faults, STEP_POSITION, position, args.places, 0);
  if (slot >= args.capacity) tell_fault(args.faults, STEP_SLOT, slot, args.capacity, 0);
}

// The warp that starts copies, ahead of the others.
DEVICE void fetch_step(const DecodeArgs& args, u32 i, Copies& copies) {
  const DecodeStep& step = args.steps[i];
  if (step.kind == ATTENTION) return prefetch_attention(args, step);
  prefetch_product(step);
  if (threadIdx.x % 32 == 0) fetch_weights(args, i, copies);
  __syncwarp();
}

extern "C" __global__ void __launch_bounds__(THREADS + 128, 1) decode_steps(const __grid_constant__ DecodeArgs args) {
  const u32 warp = threadIdx.x / 32;
  if (threadIdx.x == 0) {
    for (u32 slot = 0; slot < QK_SLOTS; ++slot) begin_barrier(&room().full[slot], 1), begin_barrier(&room().empty[slot], WARPS);
    room().position = *args.position;
    room().slot = QK_PAGED ? *args.slot : room().position;
    room().keys = QK_PAGED ? *args.keys : room().position;
    room().starts[0] = 0, room().starts[1] = 1;
    room().launch = args.launches[0] + 1;
    if (blockIdx.x == 0) check_place(args, room().position, room().slot);
    find_piece_of_block(args);
  }
  if (warp == WARPS - 1) assign_step(args, 0);
  __syncthreads();
  if constexpr (QK_PAGED) {
    if (warp == 0) find_pages_of_block(args);
    __syncthreads();
  }
  // 168 of each of the 12 warps: what four give is what eight take.
  if (warp >= WARPS) {
    give_registers<40>();
    if (warp > WARPS) return;
    Copies copies;
    for (u32 i = 0; i < args.count; ++i) fetch_step(args, i, copies);
    return;
  }
  take_registers<232>();
  Place place;
  for (u32 i = 0; i < args.count; ++i) {
    meet();  // nobody is at step i - 1, whose place step i + 1 has
    if (warp == WARPS - 1) assign_step(args, i + 1);
    const Assigned& own = room().assigned[i % 2];
    if (own.step.kind == ATTENTION) run_attention(args, own.step);
    else run_product(args, own, place);
  }
  end_launch(args);
}
