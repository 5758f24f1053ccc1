// Element types of activations and weights. The numbers are part of the binding's protocol (src/binding.ts).
#pragma once

#include <cstddef>
#include <cstdint>

namespace qknorm {

enum class Dtype : std::uint8_t { kF32 = 0, kBf16 = 1, kF16 = 2 };
inline constexpr int kDtypes = 3;

constexpr std::size_t bytes_of(Dtype dtype) { return dtype == Dtype::kF32 ? 4 : 2; }

}  // namespace qknorm
