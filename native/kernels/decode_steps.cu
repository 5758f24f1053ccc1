// Steps of a decoder for one token in one launch: products of matrices and attention, one after the other, over a grid whose
// blocks all run at the same time. What a launch apart from others pays at each of its ends, the way to memory and back, is
// paid here once in a while: one warp of each block fetches weights into a ring in shared memory as fast as there is room,
// whatever step the others are at, and what they compute waits for the grid alone.
//
// A step is over when all blocks have arrived; they meet at a counter in memory, which costs about a microsecond. Before it
// waits, a block asks for all that the next step needs and no step writes: weights, the norm's gains, keys of earlier tokens.
//
// The bits are those of gemv.cu, qk_norm_rope.cu and attention_decode.cu, whatever the number of blocks. QK_SETTLED holds: the
// weights do not change while it runs. The macros: decode_steps.cuh, norm_rows.cuh, rope.cuh, attention_pieces.cuh.
//
// QK_HEAD_NORM    0: q and k have no norm
// QK_ROPE_FIRST   1: the rotation, then the norm

template <int N>
DEVICE void run_product(const DecodeArgs& args, const DecodeStep& step, const DecodeStep* before, const Meetings& meetings,
                        bool waits, PutBack& put_back, Place& place) {
  if constexpr (N < PRODUCTS) {
    if (step.kind != N) return run_product<N + 1>(args, step, before, meetings, waits, put_back, place);
    Gains<N> gains;
    gains.load(step);
    if (waits) meetings.wait(args);
    put_back.run(args);
    if constexpr (products[N].attended) take_attended(args, *before);
    else take_x<N>(step, gains);
    multiply<N>(step, place);
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
  Meetings meetings;
  PutBack put_back;
  for (u32 i = 0; i < args.count; ++i) {
    const DecodeStep& step = args.steps[i];
    if (step.kind == ATTENTION) {
      run_attention(args, step, put_back, [&] {
        if (i > 0) meetings.wait(args);
        put_back.run(args);
      });
    } else {
      run_product<0>(args, step, i > 0 ? &args.steps[i - 1] : nullptr, meetings, i > 0, put_back, place);
    }
    if (i + 1 < args.count) meetings.arrive(args);
  }
  meetings.end(args);
}
