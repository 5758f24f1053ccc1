// What the stand-in driver and a compiled kernel tell each other.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct Index { unsigned x, y, z; };

struct Launch {
  struct Index grid, block;
  unsigned shared_bytes;
  char* shared;                        // that many bytes, and nothing behind them
  char* stacks;                        // of 1024 threads, each of stack_bytes and with a page before it that none may touch
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
