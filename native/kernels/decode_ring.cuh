// The ring of decode_steps.cu in a block's shared memory: weights on their way to it, and what is asked for beyond it.

// A place in the ring, which producer and consumers go round alike.
struct Place {
  u32 slot = 0, parity = 0;
  __device__ __forceinline__ void advance() {
    if (++slot == QK_SLOTS) slot = 0, parity ^= 1;
  }
};

// Weights behind those that are copied, asked for in the L2. While others wait for an attention the ring is full, and memory would
// stand still; what it brings meanwhile need not come from memory afterwards. Asked for more slowly than memory can bring it, so
// that no word stands behind it. One thread.
struct Ahead {
  static constexpr u32 MOST = 128 << 10;  // bytes: 17 MB of an H200's L2 for all blocks
  static constexpr u32 CYCLES = 110;      // for a KiB, of which an H200's memory needs 64 where all blocks ask
  u32 step = 0, output = 0;               // the first that was not asked for
  u32 bytes = 0;                          // asked for and not copied yet
  u32 next_at = cycles_now();

  // The next rows of the block, whichever step has them, if it is time for them.
  __device__ __forceinline__ void ask(const DecodeArgs& args) {
    if (bytes >= MOST || static_cast<int>(cycles_now() - next_at) < 0) return;
    for (; step < args.count; ++step, output = 0) {
      const DecodeStep& of = args.steps[step];
      if (of.kind == ATTENTION) continue;
      output = max(output, first_output(of.outputs, blockIdx.x));
      const u32 last = first_output(of.outputs, blockIdx.x + 1);
      if (output >= last) continue;
      const u32 count = min(of.stage, last - output), row_bytes = of.inputs * bytes_of(QK_DTYPE);
      const bool swiglu = of.kind & SWIGLU;
      const char* const from = of.at[1] + static_cast<i64>(output) * row_bytes;
      prefetch_bytes(from, count * row_bytes);
      if (swiglu) prefetch_bytes(from + static_cast<i64>(of.outputs) * row_bytes, count * row_bytes);
      const u32 asked = count * row_bytes * (swiglu ? 2 : 1);
      output += count, bytes += asked;
      next_at = cycles_now() + asked / 1024 * CYCLES;
      return;
    }
  }

  // So many bytes more are being copied, up to before `next` of a step.
  __device__ __forceinline__ void pass(u32 of_step, u32 next, u32 copied) {
    const bool overtaken = copied >= bytes;
    bytes = overtaken ? 0 : bytes - copied;
    if (overtaken) step = of_step, output = next;
  }
};

// Copies that one thread starts. Few are under way at once: what all blocks ask for stands in front of every word that they tell
// and hear meanwhile.
struct Copies {
  Place place, oldest;
  u32 under_way = 0;
  Ahead ahead;

  // The place of the next copy, as soon as it is free and fewer than `most` are under way.
  __device__ __forceinline__ Place next(const DecodeArgs& args, u32 most) {
    const Place here = place;
    // Nobody holds what was never filled.
    while (!is_over(&room().empty[here.slot], here.parity ^ 1)) ahead.ask(args), look_again();
    for (; under_way >= most; --under_way) {
      u64* const full = &room().full[oldest.slot];
      // Memory is busy with the copies, unless what is copied is in the L2.
      while (ahead.bytes > 0 && !is_over(full, oldest.parity)) ahead.ask(args), look_again();
      wait_at(full, oldest.parity);
      oldest.advance();
    }
    ++under_way;
    place.advance();
    return here;
  }
};

// Asks for what a product reads besides its weights, each block for a line: the weights under way would be in front of it.
DEVICE void prefetch_product(const DecodeStep& step) {
  constexpr u32 LINE = 128;
  const u32 at = blockIdx.x * LINE;
  if (threadIdx.x % 32 != 0 || !(step.kind & NORM) || step.at[2] == nullptr) return;
  if (at < step.inputs * bytes_of(QK_NORM_DTYPE)) prefetch_line(step.at[2] + at);
}

// The weights of product `i` on their way into the ring; one thread, in the order in which they are taken out.
DEVICE void fetch_weights(const DecodeArgs& args, u32 i, Copies& copies) {
  const DecodeStep& step = args.steps[i];
  const u32 row_bytes = step.inputs * bytes_of(QK_DTYPE), last = first_output(step.outputs, blockIdx.x + 1);
  const bool swiglu = step.kind & SWIGLU;
  for (u32 tile = first_output(step.outputs, blockIdx.x); tile < last; tile += step.tile) {
    const u32 count = min(step.tile, last - tile);
    for (u32 at = 0; at < count; at += step.stage) {
      const u32 here = min(step.stage, count - at), bytes = here * row_bytes, all = swiglu ? 2 * bytes : bytes;
      const Place place = copies.next(args, step.under_way);
      u64* const full = &room().full[place.slot];
      char* const to = ring() + place.slot * QK_SLOT;
      arrive_expecting(full, all);
      const char* from = step.at[1] + static_cast<i64>(tile + at) * row_bytes;
      start_copy(to, from, bytes, full);
      if (swiglu) start_copy(to + bytes, from + static_cast<i64>(step.outputs) * row_bytes, bytes, full);
      copies.ahead.pass(i, tile + at + here, all);
    }
  }
}
