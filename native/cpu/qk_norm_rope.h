// The chain: q and k normalised and rotated, k and v stored in a cache. One pass over memory: a few tokens go through all
// of it while they lie in the first-level cache. The bits are those of qk_norm, rope and write_cache in turn.
#pragma once

#include "cpu/cache_write.h"
#include "cpu/qk_norm.h"
#include "cpu/rope.h"

namespace qknorm {

enum class ChainOrder : std::uint8_t { kNormRope = 0, kRopeNorm = 1 };

// q or k, already checked.
struct ChainSide {
  NormSide norm;  // what is read and where it goes, whether or not it is normalised
  bool normalizes = false;
  Rope rope{};  // in place where the norm writes; its heads, not a row across them. half is 0 where nothing turns
};

struct QkNormRope {
  std::size_t tokens = 0;
  ChainOrder order = ChainOrder::kNormRope;
  ChainSide sides[2];  // q, k
  bool stores = false;
  CacheWrite write;  // its keys are what comes out for k
};

// Nothing is checked. Every instruction set and every number of threads gives the same bits.
void qk_norm_rope(const QkNormRope& call, Isa isa);

}  // namespace qknorm
