// Runs a launch: blocks one after the other; barriers and meetings of a warp; what never ends is told, not waited for.
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
  Fiber& self = *now;
  const unsigned lane = self.rank % 32, first = self.rank - lane;
  if (threads - first < 32) mask &= (1u << (threads - first)) - 1;  // a last warp that is not whole
  if (!(mask >> lane & 1)) fail("thread %u is not in the mask %08x at line %d", self.rank, mask, line);
  self.waiting = Waiting::FOR_WARP;
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

/** A barrier of `expected` threads of the block; 0: all that have not ended. */
static __attribute__((noinline)) void wait_at_barrier(int barrier, unsigned expected, int line) {
  Fiber& self = *now;
  self.waiting = Waiting::FOR_BLOCK;
  self.barrier = barrier, self.expected = expected, self.line = line;
  unsigned here = 0;
  for (unsigned i = 0; expected && i < threads; ++i) {
    here += fibers[i].waiting == Waiting::FOR_BLOCK && fibers[i].barrier == barrier && !fibers[i].done;
  }
  if (expected && here == expected) {
    for (unsigned i = 0; i < threads; ++i) {
      if (fibers[i].waiting == Waiting::FOR_BLOCK && fibers[i].barrier == barrier) make_ready(fibers[i]);
    }
  }
  wait();
}

/** Of those that a waiting thread needs, the first that has ended or waits for something else. */
static const Fiber& missed_by(const Fiber& waiting) {
  const bool warp = waiting.waiting == Waiting::FOR_WARP;
  const unsigned first = warp ? waiting.rank / 32 * 32 : 0, end = warp && first + 32 < threads ? first + 32 : threads;
  for (unsigned i = first; i < end; ++i) {
    const Fiber& other = fibers[i];
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
  fail("deadlock: block %u %u %u, thread %u waits at line %d for %s; thread %u %s %d", block_index.x, block_index.y,
       block_index.z, fiber.rank, fiber.line, what, missed.rank,
       missed.done ? "has ended, and waited last at line" : "waits at line", missed.line);
}

/** Lets all go on that stand at the barrier of the whole block. Those that wait for something else never will. */
static void release_block() {
  for (unsigned i = 0; i < threads; ++i) {
    const Fiber& fiber = fibers[i];
    if (!fiber.done && (fiber.waiting != Waiting::FOR_BLOCK || fiber.expected != 0)) fail_of(fiber);
  }
  for (unsigned i = 0; i < threads; ++i) {
    if (!fibers[i].done) make_ready(fibers[i]);
  }
}

// Every second block starts from its last thread: what a missing barrier hides in one order shows in the other.
static void run_block() {
  const Index shape = launch->block;
#if QK_CLUSTER > 0
  if (block_index.x % QK_CLUSTER == 0)  // the blocks of a cluster write into the memory of their last one
#endif
  memset(launch->shared, 0xff, launch->shared_bytes);
  first_ready = ready_count = 0;
  ++blocks_begun;
  unfinished = threads;
  for (unsigned i = 0; i < threads; ++i) {
    const unsigned rank = block_index.x % 2 ? threads - 1 - i : i;
    Fiber& fiber = fibers[rank];
    fiber = Fiber{};
    fiber.rank = rank;
    fiber.thread = {rank % shape.x, rank / shape.x % shape.y, rank / (shape.x * shape.y)};
    make_ready(fiber);
  }
  while (unfinished > 0) {
    if (ready_count == 0) release_block();
    now = ready[first_ready];
    first_ready = (first_ready + 1) % 1024;
    --ready_count;
    if (now->stack == nullptr) prepare(*now);
    emulator_switch(&scheduler, now->place);
    if (!now->done) continue;
    stacks[free_stacks++] = now->stack;
    --unfinished;
  }
}

[[noreturn]] static void run_blocks() {
  const Index grid = launch->grid;
  message[0] = '\0';
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = {x, y, z};
        run_block();
      }
    }
  }
  void* unused;
  emulator_switch(&unused, failure_place);
  __builtin_unreachable();
}

// On a stack of its own, so that a failure can leave it from anywhere.
static const char* run(Launch* wanted) {
  launch = wanted;
  threads = wanted->block.x * wanted->block.y * wanted->block.z;
  free_stacks = 0;
  for (unsigned i = 0; i < threads; ++i) stacks[free_stacks++] = wanted->stacks + (threads - i) * wanted->stack_step;
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

static void where(Index* block, Index* thread) { *block = block_index, *thread = now ? now->thread : Index{}; }

}  // namespace emulator
