// Of rows that no top-k cuts: the winner of each part of a row, were nothing but min-p asked for, and the part's mass. A block
// takes a part; four neighbours share a random counter.
//
// QK_DTYPE, QK_SEEN  see draw_row.cuh

constexpr int THREADS = 256;

extern "C" __global__ void __launch_bounds__(256) sample_parts(const __grid_constant__ Args args) {
  __shared__ u64 room[THREADS / 32];
  const u32 b = blockIdx.x / args.parts, part = blockIdx.x % args.parts;
  allow_successor();
  wait_for_predecessor();
  const DrawSettings s = draw_settings(args, b);
  if (s.temperature <= 0 || s.cuts(args.width)) return;
  const u32 counter = args.counters[b];
  const DrawRow row = draw_row(args, s, b);
  u64 best = 0;
  for (u32 c = threadIdx.x; c < args.chunks; c += THREADS) {
    best = Largest::of(best, args.maxima[static_cast<u64>(b) * args.chunks + c]);
  }
  best = over_block<Largest, THREADS>(best, room);
  if (!is_finite(best)) return;
  const float largest = unordered(order_of(best)), floor = s.least_score();
  const u32 end = (part + 1) * args.part < args.width ? (part + 1) * args.part : args.width;
  u64 winner = 0, mass = 0;
  for (u32 first = part * args.part + 4 * threadIdx.x; first < end; first += 4 * THREADS) {
    const Words random = philox({{first / 4, counter, 0, 0}}, s.low_seed, s.high_seed);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const u32 id = first + i;
      if (id >= end) continue;
      const float x = row.logit(id), score = s.score(x, largest);
      if (ordered(x) <= MINUS_INFINITE) continue;
      if (s.top_p < 1) mass += mass_of(score);
      if (score >= floor) winner = Largest::of(winner, key_of(__fadd_rn(score, gumbel(random.word[i])), id));
    }
  }
  winner = over_block<Largest, THREADS>(winner, room);
  if (s.top_p < 1) mass = over_block<Sum, THREADS>(mass, room);
  if (threadIdx.x != 0) return;
  args.winners[blockIdx.x] = winner;
  args.masses[blockIdx.x] = mass;
}
