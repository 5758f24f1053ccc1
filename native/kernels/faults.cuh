// Where a kernel tells the host of an index that lies outside of what it addresses. It goes on by a defined value, and the host
// looks when it waits for the device anyway (cuda/faults.h): the first of them is kept until then.
//
// An index that is told of costs a way to the host's memory, which no other does: a branch that is not taken.

struct Faults {
  u32 claimed;  // 1: somebody writes, or has written
  u32 what;     // what the index was, by the numbers below; 0: nothing was told
  int index;
  u32 bound;    // it is below, and not below 0
  u32 at;       // where it stood in the list
};

// Numbered like `kinds` of cuda/faults.cc.
constexpr u32 ROPE_POSITION = 1, CHAIN_POSITION = 2, CHAIN_SLOT = 3, WRITE_SLOT = 4, GATHERED_ROW = 5, STEP_POSITION = 6,
              STEP_SLOT = 7, EXPERT = 8;

// The slot of a token that goes nowhere.
constexpr u32 NO_SLOT = 0xffffffffu;

DEVICE void tell_fault(Faults* faults, u32 what, u32 index, u32 bound, u32 at) {
  if (atomicCAS(&faults->claimed, 0u, 1u) != 0) return;
  faults->index = static_cast<int>(index);
  faults->bound = bound;
  faults->at = at;
  __threadfence_system();
  *const_cast<volatile u32*>(&faults->what) = what;
}
