// Where the rows of a cache write go: the numbers and arrays that writeCache and the chain share, checked. The order of the
// numbers is written down in src/binding-ops.ts.
#pragma once

#include <array>
#include <vector>

#include "addon/params.h"
#include "cpu/cache_write.h"

namespace qknorm {

inline constexpr std::size_t kCacheTargetParams = 16;

// Memory of a target. Of a write that has nothing to do, `empty`, it is not looked at.
struct CacheTarget {
  std::array<StridedRows, 2> caches;  // of keys, of values
  std::array<StridedRows, 2> scales;
  std::vector<std::int32_t> slots;  // a copy: the array may be shared with another thread
  bool empty = false;
};

// Reads the target of `write`, whose tokens, heads and head dim are known, from kCacheTargetParams numbers and the arrays at
// arguments first (cache of keys, of values, slots, scales of keys, of values). Throws unless it fits together.
// `target` must outlive the write.
void read_cache_target(const Args& args, Params& params, std::size_t first, CacheWrite& write, CacheTarget& target);

// Throws where what a write writes shares memory with itself or with something that is read.
void refuse_cache_overlap(const CacheWrite& write, const CacheTarget& target);
void refuse_cache_overlap(const CacheWrite& write, const CacheTarget& target, const StridedRows& read, const char* name);

// Gives one side of a write its rows.
void set_cache_rows(CacheSide& side, const StridedRows& rows);

}  // namespace qknorm
