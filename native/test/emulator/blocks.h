// Runs a launch: blocks one after the other, or all at the same time; barriers and meetings of a warp; what never ends is told,
// not waited for.
#pragma once

#include "fibers.h"

extern "C" int snprintf(char*, unsigned long, const char*, ...) noexcept;
extern "C" void* memset(void*, int, unsigned long) noexcept;

namespace emulator {

static void* failure_place;
static unsigned long blocks_begun;  // of all launches

/** Ends the launch with a message. */
template <class... Values>
[[noreturn]] static void fail(const char* format, Values... values) {
  snprintf(message, sizeof message, format, values...);
  void* unused;
  emulator_switch(&unused, failure_place);
  __builtin_unreachable();
}

/**
 * A meeting of the lanes of `mask` at one line: the last one to come lets `join` work on what each brought, null for
 * lanes that are not in the mask, and then all go on.
 */
static __attribute__((noinline)) void meet(void (*join)(void* (&)[32]), unsigned mask, int line, void* data) {
  Fiber &self = *now, *const fibers = self.block->fibers;
  const unsigned lane = self.rank % 32, first = self.rank - lane;
  if (threads - first < 32) mask &= (1u << (threads - first)) - 1;  // a last warp that is not whole
  if (!(mask >> lane & 1)) fail("thread %u is not in the mask %08x at line %d", self.rank, mask, line);
  self.waiting = Waiting::FOR_WARP;
  idle = 0;
  self.mask = mask, self.line = line, self.join = join, self.data = data;
  void* brought[32];
  for (unsigned i = 0; i < 32; ++i) {
    brought[i] = nullptr;
    if (!(mask >> i & 1)) continue;
    const Fiber& other = fibers[first + i];
    if (other.done || other.waiting != Waiting::FOR_WARP || other.mask != mask || other.line != line || other.join != join) {
      return wait();
    }
    brought[i] = other.data;
  }
  join(brought);
  for (unsigned i = 0; i < 32; ++i) {
    if (mask >> i & 1 && i != lane) make_ready(fibers[first + i]);
  }
  self.waiting = Waiting::NOT;
}

/** Lets all of a block go on that stand at a barrier. */
static void pass_barrier(Block& block, int barrier) {
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = block.fibers[i];
    if (fiber.waiting == Waiting::FOR_BLOCK && fiber.barrier == barrier && !fiber.done) make_ready(fiber);
  }
}

static unsigned count_at_barrier(const Block& block, int barrier) {
  unsigned here = 0;
  for (unsigned i = 0; i < threads; ++i) {
    const Fiber& fiber = block.fibers[i];
    here += fiber.waiting == Waiting::FOR_BLOCK && fiber.barrier == barrier && !fiber.done;
  }
  return here;
}

/** A barrier of `expected` threads of the block; 0: all that have not ended. */
static __attribute__((noinline)) void wait_at_barrier(int barrier, unsigned expected, int line) {
  Fiber& self = *now;
  self.waiting = Waiting::FOR_BLOCK;
  self.barrier = barrier, self.expected = expected, self.line = line;
  idle = 0;
  if (expected && count_at_barrier(*self.block, barrier) == expected) pass_barrier(*self.block, barrier);
  wait();
}

/** Lets others run: what a thread looks for in memory is not there yet. */
static __attribute__((noinline)) void look_again(int line) {
  now->line = line;
  ++idle;
  make_ready(*now);
  wait();
}

/** Of those that a waiting thread needs, the first that has ended or waits for something else. */
static const Fiber& missed_by(const Fiber& waiting) {
  const bool warp = waiting.waiting == Waiting::FOR_WARP;
  const unsigned first = warp ? waiting.rank / 32 * 32 : 0, end = warp && first + 32 < threads ? first + 32 : threads;
  for (unsigned i = first; i < end; ++i) {
    const Fiber& other = waiting.block->fibers[i];
    if (warp && !(waiting.mask >> i % 32 & 1)) continue;
    if (other.done || other.line != waiting.line || other.waiting != waiting.waiting) return other;
  }
  return waiting;
}

[[noreturn]] static void fail_of(const Fiber& fiber) {
  char what[80];
  if (fiber.waiting == Waiting::FOR_WARP) snprintf(what, sizeof what, "the lanes %08x", fiber.mask);
  else snprintf(what, sizeof what, "a barrier of %u threads", fiber.expected);
  const Fiber& missed = missed_by(fiber);
  const Index& block = fiber.block->index;
  fail("deadlock: block %u %u %u, thread %u waits at line %d for %s; thread %u %s %d", block.x, block.y, block.z, fiber.rank, fiber.line, what, missed.rank,
       missed.done ? "has ended, and waited last at line" : "waits at line", missed.line);
}

/** Lets all go on that stand at the barrier of the whole block. Those that wait for something else never will. */
static void release_block(Block& block) {
  for (unsigned i = 0; i < threads; ++i) {
    const Fiber& fiber = block.fibers[i];
    if (!fiber.done && (fiber.waiting != Waiting::FOR_BLOCK || fiber.expected != 0)) fail_of(fiber);
  }
  pass_barrier(block, 0);
}

/** Where threads only look for what nobody brings: blocks whose threads all stand at their barrier go on. */
static void release_blocks(Block* blocks, unsigned count) {
  for (unsigned b = 0; b < count; ++b) {
    if (blocks[b].unfinished > 0 && count_at_barrier(blocks[b], 0) == blocks[b].unfinished) pass_barrier(blocks[b], 0), idle = 0;
  }
  const Index& block = now->block->index;
  if (idle > 0) {
    fail("deadlock: block %u %u %u, thread %u looks at line %d for what nobody brings", block.x, block.y, block.z, now->rank,
         now->line);
  }
}

// Every second block starts from its last thread: what a missing barrier hides in one order shows in the other.
static void begin_block(Block& block, unsigned number, Index index) {
  const Index shape = launch->block;
  block = {index, all_fibers + number * threads, launch->shared - number * launch->shared_step, threads};
#if QK_CLUSTER > 0
  if (index.x % QK_CLUSTER == 0)  // the blocks of a cluster write into the memory of their last one
#endif
  memset(block.shared, 0xff, launch->shared_bytes);
  ++blocks_begun;
  for (unsigned i = 0; i < threads; ++i) {
    const unsigned rank = index.x % 2 ? threads - 1 - i : i;
    Fiber& fiber = block.fibers[rank];
    fiber = Fiber{};
    fiber.block = &block;
    fiber.rank = rank;
    fiber.thread = {rank % shape.x, rank / shape.x % shape.y, rank / (shape.x * shape.y)};
    make_ready(fiber);
  }
}

/** The next thread that goes on. */
static Fiber* next_ready() {
  Fiber** const first = ready + first_ready;
  if (launch->order > 0) {
    random_state ^= random_state << 13, random_state ^= random_state >> 17, random_state ^= random_state << 5;
    Fiber** const chosen = ready + (first_ready + random_state % ready_count) % MOST_FIBERS;
    Fiber* const other = *chosen;
    *chosen = *first, *first = other;
  }
  first_ready = (first_ready + 1) % MOST_FIBERS;
  --ready_count;
  return *first;
}

/** Runs `count` blocks to their end. */
static void finish_blocks(Block* blocks, unsigned count) {
  unfinished = count * threads;
  idle = 0;
  random_state = launch->order;
  while (unfinished > 0) {
    if (ready_count == 0) {
      for (unsigned b = 0; b < count; ++b) {
        if (blocks[b].unfinished > 0) release_block(blocks[b]);
      }
    }
    if (idle > 64 * (ready_count + 1ul)) release_blocks(blocks, count);
    now = next_ready();
    if (now->stack == nullptr) prepare(*now);
    emulator_switch(&scheduler, now->place);
    if (!now->done) continue;
    stacks[free_stacks++] = now->stack;
    idle = 0;
    --now->block->unfinished;
    --unfinished;
  }
}

[[noreturn]] static void run_blocks() {
  static Block blocks[MOST_FIBERS];
  const Index grid = launch->grid;
  message[0] = '\0';
  first_ready = ready_count = 0;
  unsigned begun = 0;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        begin_block(blocks[begun], begun, {x, y, z});
        ++begun;
        if (!launch->together) finish_blocks(blocks, 1), begun = 0;
      }
    }
  }
  if (begun > 0) finish_blocks(blocks, begun);
  void* unused;
  emulator_switch(&unused, failure_place);
  __builtin_unreachable();
}

// On a stack of its own, so that a failure can leave it from anywhere.
static const char* run(Launch* wanted) {
  launch = wanted;
  threads = wanted->block.x * wanted->block.y * wanted->block.z;
  free_stacks = 0;
  const unsigned at_once = wanted->together ? threads * wanted->grid.x * wanted->grid.y * wanted->grid.z : threads;
  for (unsigned i = 0; i < at_once; ++i) stacks[free_stacks++] = wanted->stacks + (at_once - i) * wanted->stack_step;
  Fiber blocks = {};
  void** top = reinterpret_cast<void**>(wanted->stacks + wanted->stack_bytes);
#if defined __x86_64__
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(&run_blocks);
  blocks.place = top - SAVED_WORDS;
#else
  blocks.place = top - 22;
  static_cast<void**>(blocks.place)[11] = reinterpret_cast<void*>(&run_blocks);
#endif
  emulator_switch(&failure_place, blocks.place);
  return message[0] == '\0' ? nullptr : message;
}

static void where(Index* block, Index* thread) {
  *block = now ? now->block->index : Index{}, *thread = now ? now->thread : Index{};
}

}  // namespace emulator
