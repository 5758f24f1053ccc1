// Copies that a thread has started: groups of them arrive when they are waited for, the oldest first.
#pragma once

extern "C" void* realloc(void*, unsigned long) noexcept;

namespace emulator {

struct Copy { void* to; const void* from; int bytes; unsigned group; };
struct Copies { Copy* started; unsigned count, room, arrived, groups; };

static Copies copies[1024];  // of each thread of a block; blocks of a grid that run at the same time start none
static unsigned long copying_block;

/** Of the running thread; what a former block left behind is forgotten. */
static Copies& own_copies() {
  if (copying_block != blocks_begun) {
    for (Copies& one : copies) one.count = one.arrived = one.groups = 0;
    copying_block = blocks_begun;
  }
  return copies[now->rank];
}

static void start_copy(void* to, const void* from, int bytes) {
  Copies& mine = own_copies();
  if (mine.count == mine.room) {
    mine.room = mine.room ? 2 * mine.room : 16;
    mine.started = static_cast<Copy*>(realloc(mine.started, mine.room * sizeof(Copy)));
  }
  mine.started[mine.count++] = {to, from, bytes, mine.groups};
}

static void commit_copies() { ++own_copies().groups; }

static void wait_for_copies(unsigned pending) {
  Copies& mine = own_copies();
  while (mine.arrived < mine.count && mine.started[mine.arrived].group + pending < mine.groups) {
    const Copy& copy = mine.started[mine.arrived++];
    memset(copy.to, 0, 16);
    __builtin_memcpy(copy.to, copy.from, static_cast<unsigned long>(copy.bytes));
  }
  if (mine.arrived == mine.count) mine.count = mine.arrived = 0;
}

}  // namespace emulator
