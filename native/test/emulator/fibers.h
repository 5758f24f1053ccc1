// The threads of a block, or of all blocks of a grid that run at the same time, as fibers: each runs on a stack of its own until
// it waits for others, one at a time.
#pragma once

#include "launch.h"

namespace emulator {

enum class Waiting { NOT, FOR_WARP, FOR_BLOCK };

struct Block;

struct Fiber {
  Block* block;
  Index thread;
  unsigned rank;                       // in the block
  bool done;
  Waiting waiting;
  unsigned mask;                       // of the lanes that it waits for
  int line;                            // where it waits
  void (*join)(void* (&lanes)[32]);
  void* data;                          // what it brings for `join`
  int barrier;                         // which, and for how many threads
  unsigned expected;
  char* stack;
  void* place;                         // the saved stack pointer
};

struct Block {
  Index index;
  Fiber* fibers;
  char* shared;
  unsigned unfinished;
};

static const Launch* launch;
static Fiber all_fibers[MOST_FIBERS], *now;
static Fiber* ready[MOST_FIBERS];      // a ring: those that can go on
static unsigned first_ready, ready_count, threads, unfinished, free_stacks;
static unsigned random_state;
static unsigned long idle;             // times that a thread looked in vain since one went on
static char* stacks[MOST_FIBERS];
static void* scheduler;
static char message[512];

// Saves the callee's registers and the stack pointer at *save, and goes on at `to`.
extern "C" void emulator_switch(void** save, void* to) noexcept;
#if defined __x86_64__
asm(R"(
.text
.hidden emulator_switch
.globl emulator_switch
.type emulator_switch,@function
emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
constexpr int SAVED_WORDS = 6;
#elif defined __aarch64__
asm(R"(
.text
.hidden emulator_switch
.globl emulator_switch
.type emulator_switch,%function
emulator_switch:
  sub sp, sp, #176
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  stp x29, x30, [sp, #80]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp, #80]
  add sp, sp, #176
  ret
)");
#else
#error "no switch of stacks for this processor"
#endif

static void make_ready(Fiber& fiber) {
  fiber.waiting = Waiting::NOT;
  ready[(first_ready + ready_count++) % MOST_FIBERS] = &fiber;
}

[[noreturn]] static void begin_fiber() {
  launch->call(launch->parameters);
  now->done = true;
  emulator_switch(&now->place, scheduler);
  __builtin_unreachable();
}

static void prepare(Fiber& fiber) {
  fiber.stack = stacks[--free_stacks];
  void** top = reinterpret_cast<void**>(fiber.stack + launch->stack_bytes);
#if defined __x86_64__
  *--top = nullptr;  // where a caller would have put its return address: keeps the stack aligned as after a call
  *--top = reinterpret_cast<void*>(&begin_fiber);
  fiber.place = top - SAVED_WORDS;
#else
  fiber.place = top - 22;
  static_cast<void**>(fiber.place)[11] = reinterpret_cast<void*>(&begin_fiber);
#endif
}

/** The running fiber waits until another one makes it ready. */
static void wait() { emulator_switch(&now->place, scheduler); }

}  // namespace emulator
