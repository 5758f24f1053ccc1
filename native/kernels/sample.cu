// Draws the next token of each row of logits, a block for a row: penalties, temperature, top-k, top-p, min-p, and the token
// whose logit plus a Gumbel number of its own is the largest of those that are kept, which is a draw from their softmax.
//
// Which token that is does not depend on the order in which anything is added: what top-p counts are whole numbers. Top-p needs
// no sorting either. The winner of all is drawn first; if those above it have the mass already, it and all below it are out,
// and the winner of those above is next. The last one is the winner of the kept ones, since all of them took part.
//
// The k-th largest of a row is at least the k-th largest of its chunks' maxima. So top-k reads the k chunks that have any of its
// tokens, and lists these; where they are too many for the list, and where no top-k cuts, chunks are passed over by their maxima.
//
// QK_DTYPE, QK_SEEN  see draw_row.cuh
// QK_THREADS         of a block, which changes no draw

constexpr int THREADS = QK_THREADS, PIVOTS = 7;
constexpr u32 MOST_CHUNKS = 2048, MOST_LISTED = 2048;

// The k-th largest of numbers up to `high`, or a number below it and above the next; 0 if there are fewer.
template <class Order>
DEVICE u32 kth_largest(const Order& order, u32 count, u32 k, u32 high, u32* counts) {
  u32 low = 0;
  while (low < high) {
    const u32 step = (high - low) / (PIVOTS + 1) + 1;
    if (threadIdx.x < PIVOTS) counts[threadIdx.x] = 0;
    __syncthreads();
    u32 pivots[PIVOTS], found[PIVOTS];
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
      const u32 ahead = step * (i + 1);
      pivots[i] = ahead < high - low ? low + ahead : high;
      found[i] = 0;
    }
    for (u32 place = threadIdx.x; place < count; place += THREADS) {
      const u32 here = order(place);
#pragma unroll
      for (int i = 0; i < PIVOTS; ++i) found[i] += here >= pivots[i];
    }
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
#pragma unroll
      for (int half = 16; half > 0; half /= 2) found[i] += __shfl_xor_sync(0xffffffffu, found[i], half);
      if (threadIdx.x % 32 == 0) atomicAdd(counts + i, found[i]);
    }
    __syncthreads();
    u32 next = high, exact = 0;
#pragma unroll
    for (int i = PIVOTS - 1; i >= 0; --i) {
      if (counts[i] == k) exact = pivots[i];
      if (counts[i] < k) next = pivots[i] - 1;
    }
    u32 first = low;
#pragma unroll
    for (int i = 0; i < PIVOTS; ++i) {
      if (counts[i] >= k) first = pivots[i];
    }
    __syncthreads();
    if (exact != 0) return exact;
    low = first, high = next;
  }
  return low;
}

// The tokens of a row that may be drawn: those of the list, or of all chunks.
struct Candidates {
  DrawRow row;
  const u64 *maxima, *list;
  u32 listed, width, chunk, chunks;

  // Does something with the key of each one that is not below `least`.
  template <class Action>
  __device__ __forceinline__ void each(u32 least, const Action& action) const {
    if (listed > 0) {
      for (u32 place = threadIdx.x; place < listed; place += THREADS) {
        if (order_of(list[place]) >= least) action(list[place]);
      }
      return;
    }
    for (u32 c = threadIdx.x / 32; c < chunks; c += THREADS / 32) {
      if (order_of(maxima[c]) < least) continue;
      const u32 end = (c + 1) * chunk < width ? (c + 1) * chunk : width;
      for (u32 id = c * chunk + threadIdx.x % 32; id < end; id += 32) {
        const u64 key = key_of(row.logit(id), id);
        if (order_of(key) >= least) action(key);
      }
    }
  }
};

// The Gumbel number of a token: neighbours share a counter.
DEVICE float gumbel_of(u32 id, u32 counter, const DrawSettings& s) {
  const Words random = philox({{id / 4, counter, 0, 0}}, s.low_seed, s.high_seed);
  const u32 low = id % 2 ? random.word[1] : random.word[0], high = id % 2 ? random.word[3] : random.word[2];
  return gumbel(id % 4 < 2 ? low : high);
}

extern "C" __global__ void __launch_bounds__(QK_THREADS) sample(const __grid_constant__ Args args) {
  __shared__ u64 room[THREADS / 32], maxima[MOST_CHUNKS], list[MOST_LISTED];
  __shared__ u32 counts[PIVOTS], listed;
  const u32 b = blockIdx.x, width = args.width, chunks = args.chunks;
  if (threadIdx.x == 0) listed = 0;
  allow_successor();
  wait_for_predecessor();
  const DrawSettings s = draw_settings(args, b);
  const u32 counter = args.counters[b];
  const DrawRow row = draw_row(args, s, b);

  u64 best = 0;
  for (u32 c = threadIdx.x; c < chunks; c += THREADS) {
    maxima[c] = args.maxima[static_cast<u64>(b) * chunks + c];
    best = Largest::of(best, maxima[c]);
  }
  best = over_block<Largest, THREADS>(best, room);
  bool chosen = is_finite(best);
  u32 token = token_of(best);
  if (chosen && s.temperature > 0) {
    const float largest = unordered(order_of(best)), floor = s.least_score();
    Candidates all = {row, maxima, list, 0, width, args.chunk, chunks};
    u32 least = MINUS_INFINITE + 1;
    if (s.cuts(width)) {
      const u32 most = order_of(best);
      const u32 bound = kth_largest([&](u32 c) { return order_of(maxima[c]); }, chunks, s.top_k, most, counts);
      all.each(bound > least ? bound : least, [&](u64 key) {
        const u32 place = atomicAdd(&listed, 1u);
        if (place < MOST_LISTED) list[place] = key;
      });
      __syncthreads();
      if (listed <= MOST_LISTED) all.listed = listed;
      least = all.listed > 0
                  ? kth_largest([&](u32 place) { return order_of(list[place]); }, all.listed, s.top_k, most, counts)
                  : kth_largest([&](u32 id) { return ordered(row.logit(id)); }, width, s.top_k, most, counts);
    }
    // The mass of all that are above a key.
    const auto mass_above = [&](u64 out) {
      u64 mass = 0;
      all.each(order_of(out) > least ? order_of(out) : least, [&](u64 key) {
        if (key > out) mass += mass_of(s.score(unordered(order_of(key)), largest));
      });
      return over_block<Sum, THREADS>(mass, room);
    };
    const auto winner_above = [&](u64 out) {
      u64 winner = 0;
      all.each(order_of(out) > least ? order_of(out) : least, [&](u64 key) {
        const float score = s.score(unordered(order_of(key)), largest);
        if (key <= out || score < floor) return;
        winner = Largest::of(winner, key_of(__fadd_rn(score, gumbel_of(token_of(key), counter, s)), token_of(key)));
      });
      return over_block<Largest, THREADS>(winner, room);
    };
    u64 winner = 0, whole = 0;
    if (s.cuts(width)) {
      winner = winner_above(0);
      if (s.top_p < 1) whole = mass_above(0);
    } else {
      for (u32 part = threadIdx.x; part < args.parts; part += THREADS) {
        winner = Largest::of(winner, args.winners[b * args.parts + part]);
        whole += args.masses[b * args.parts + part];
      }
      winner = over_block<Largest, THREADS>(winner, room);
      whole = over_block<Sum, THREADS>(whole, room);
    }
    chosen = winner != 0;  // a min-p above 1 leaves none
    token = token_of(winner);
    const double wanted = __dmul_rn(static_cast<double>(s.top_p), static_cast<double>(whole));
    while (chosen && s.top_p < 1) {
      const u64 out = key_of(row.logit(token), token), above = mass_above(out);
      if (above == 0 || static_cast<double>(above) < wanted) break;
      token = token_of(winner_above(out));
    }
  }
  if (threadIdx.x != 0) return;
  if (QK_SEEN && chosen) args.seen[static_cast<u64>(b) * width + token] += 2;
  int* const log = args.log + static_cast<u64>(b) * args.places;
  go_on(token, chosen, args.ids + b, args.positions + b, log, args.places);
}
