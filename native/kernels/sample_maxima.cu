// The largest logit of each chunk of a row, penalties taken, as a key. A warp takes a chunk.
//
// QK_DTYPE, QK_SEEN  see draw_row.cuh

constexpr u32 WARPS = 8;

extern "C" __global__ void __launch_bounds__(256) sample_maxima(const __grid_constant__ Args args) {
  const u32 blocks = (args.chunks + WARPS - 1) / WARPS, b = blockIdx.x / blocks;
  const u32 c = blockIdx.x % blocks * WARPS + threadIdx.x / 32, lane = threadIdx.x % 32;
  allow_successor();
  wait_for_predecessor();
  if (c >= args.chunks) return;
  const DrawRow row = draw_row(args, draw_settings(args, b), b);
  const u32 end = (c + 1) * args.chunk < args.width ? (c + 1) * args.chunk : args.width;
  u64 best = 0;
#pragma unroll 4
  for (u32 id = c * args.chunk + lane; id < end; id += 32) best = Largest::of(best, key_of(row.logit(id), id));
#pragma unroll
  for (int half = 16; half > 0; half /= 2) best = Largest::of(best, __shfl_xor_sync(0xffffffffu, best, half));
  if (lane == 0) args.maxima[static_cast<u64>(b) * args.chunks + c] = best;
}
