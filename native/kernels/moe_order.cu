// Sorts the choices of tokens by expert, in runs of QK_TOKENS choices of one expert: what a block of moe_gemv.cu takes. One
// block. Which choice of an expert comes first is left to chance: what is computed of each does not depend on it.
//
// QK_TOKENS          choices of a run

struct Args {
  const int* experts;  // [choices]
  int* runs;           // [most runs]: the expert of each, -1 past the last
  int* order;          // [most runs, QK_TOKENS]: the choices of each, -1 where it has less
  u32 choices, count;  // count: E
  u32 most_runs;
  Faults* faults;      // of experts from E up, which count as the last
};

DEVICE u32 expert_of(const Args& args, u32 choice) {
  const u32 expert = args.experts[choice];
  return expert < args.count ? expert : args.count - 1;
}

extern "C" __global__ void __launch_bounds__(1024) moe_order(const __grid_constant__ Args args) {
  __shared__ u32 of_warp[32];
  u32* const next = reinterpret_cast<u32*>(dynamic_shared());  // [count]: how many choices, then the next place
  allow_successor();
  wait_for_predecessor();
  for (u32 e = threadIdx.x; e < args.count; e += blockDim.x) next[e] = 0;
  for (u32 i = threadIdx.x; i < args.most_runs * QK_TOKENS; i += blockDim.x) args.order[i] = -1;
  for (u32 i = threadIdx.x; i < args.most_runs; i += blockDim.x) args.runs[i] = -1;
  __syncthreads();
  for (u32 i = threadIdx.x; i < args.choices; i += blockDim.x) {
    const u32 expert = args.experts[i];
    if (expert >= args.count) tell_fault(args.faults, EXPERT, expert, args.count, i);
    atomicAdd(&next[expert_of(args, i)], 1u);
  }
  __syncthreads();

  // Each warp has an equal share of the experts; runs before it are those of the warps before it.
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const u32 share = (args.count + warps - 1) / warps, first = min(warp * share, args.count);
  const u32 last = min(first + share, args.count);
  u32 sum = 0;
  for (u32 e = first + lane; e < last; e += 32) sum += (next[e] + QK_TOKENS - 1) / QK_TOKENS;
  for (int half = 16; half > 0; half /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, half);
  if (lane == 0) of_warp[warp] = sum;
  __syncthreads();
  if (lane == 0) {
    u32 run = 0;
    for (u32 w = 0; w < warp; ++w) run += of_warp[w];
    for (u32 e = first; e < last; ++e) {
      const u32 runs = (next[e] + QK_TOKENS - 1) / QK_TOKENS;
      next[e] = run * QK_TOKENS;
      for (u32 i = 0; i < runs; ++i) args.runs[run++] = static_cast<int>(e);
    }
  }
  __syncthreads();
  for (u32 i = threadIdx.x; i < args.choices; i += blockDim.x) {
    args.order[atomicAdd(&next[expert_of(args, i)], 1u)] = static_cast<int>(i);
  }
}
