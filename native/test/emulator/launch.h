// What the stand-in driver and a compiled kernel tell each other.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct Index { unsigned x, y, z; };

/** The most threads that run at the same time, of all blocks. */
enum { MOST_FIBERS = 4096 };

struct Launch {
  struct Index grid, block;
  unsigned together;                   // 1: all blocks run at the same time; 0: one after the other
  unsigned order;                      // 0: threads that can go on do so in turn; else the start of random numbers that say which does
  unsigned shared_bytes;               // of a block
  char* shared;                        // that many bytes, and nothing behind them; of the next block that runs meanwhile shared_step before
  unsigned long shared_step;
  char* stacks;                        // of all threads that run at the same time, each of stack_bytes and with a page before it that none may touch
  unsigned long stack_bytes, stack_step;
  void (*call)(void* const* parameters);
  void* const* parameters;
};

/** A kernel that was compiled for the processor: `emulated_kernel` in its library. */
struct EmulatedKernel {
  const char* name;
  unsigned max_threads, parameters;
  const unsigned *offsets, *bytes;
  /** Runs all blocks. What is wrong, or null. */
  const char* (*run)(struct Launch* launch);
  /** The thread that runs: its block and its place in it, for messages. */
  void (*where)(struct Index* block, struct Index* thread);
};

#ifdef __cplusplus
}
#endif
