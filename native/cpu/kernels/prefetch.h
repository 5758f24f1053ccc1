// Asking for what memory should bring next.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qknorm {

// Rows of a key/value cache lie apart, where the processor's own prefetching does not see them coming. This many
// rows ahead is far enough for memory, and near enough for the first-level cache; an address past the end is harmless.
inline constexpr std::size_t kRowsAhead = 32;

// Each instruction set has its own: one that the linker picked could not run everywhere.
static inline void prefetch(const void* from, std::size_t byte, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(from) + byte;
  for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(reinterpret_cast<const void*>(address + i));
}

}  // namespace qknorm
