// Rows of new keys and values into the slots of a cache, each value rounded once to the cache's dtype. In e4m3 (OCP 8-bit
// floating point specification, 2023) a slot's head holds x * (1 / scale), both in f32.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/dtype.h"
#include "cpu/isa.h"

namespace qknorm {

// The numbers of these are part of the binding's protocol (src/binding-ops.ts). The first three are those of Dtype.
enum class CacheDtype : std::uint8_t { kF32 = 0, kBf16 = 1, kF16 = 2, kE4m3 = 3 };
enum class ScaleMode : std::uint8_t {
  kNone = 0,
  kComputed = 1,  // written: the row's largest magnitude over 448, at least 2^-96 and at most the largest f32 over 448
  kGiven = 2,     // read
};

constexpr std::size_t bytes_of(CacheDtype dtype) {
  return dtype == CacheDtype::kE4m3 ? 1 : bytes_of(static_cast<Dtype>(dtype));
}

// Of keys or of values; strides in bytes.
struct CacheSide {
  const char* rows = nullptr;  // [tokens, heads, head dim]
  std::size_t token_stride = 0, head_stride = 0;
  char* cache = nullptr;  // [slots, heads, head dim]
  std::size_t slot_stride = 0, cache_head_stride = 0;
  char* scales = nullptr;  // f32 [slots, heads]
  std::size_t scale_slot_stride = 0, scale_head_stride = 0;
};

struct CacheWrite {
  Dtype dtype = Dtype::kF32;
  CacheDtype cache_dtype = CacheDtype::kF32;
  ScaleMode scales = ScaleMode::kNone;
  std::size_t tokens = 0, heads = 0, head_dim = 0, slot_count = 0;
  CacheSide sides[2];
  const std::int32_t* slots = nullptr;  // [tokens]; one below 0 or from slot_count on writes nothing
};

// Nothing is checked. Every instruction set gives the same bits. Of tokens with one slot, the last is what stays.
void write_cache(const CacheWrite& call, Isa isa);

// Tokens [begin, end) on the calling thread.
void write_cache_tokens(const CacheWrite& call, std::size_t begin, std::size_t end, Isa isa);

// Whether two tokens go to one slot: then the threads of a loop may not share its tokens.
bool shares_slots(const CacheWrite& call);

}  // namespace qknorm
