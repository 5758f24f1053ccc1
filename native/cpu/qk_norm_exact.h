// The formula in f64, one element at a time, for what the fast path (kernels/qk_norm.h) cannot be sure of: single
// elements next to a rounding boundary, and rows whose scale is out of range. bf16 and f16 without bias only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/qk_norm.h"

namespace qknorm {

// x * scale, rounded once.
std::uint16_t exact_normalized(Dtype dtype, double x, double scale);

// x * scale * weight, rounded once.
std::uint16_t exact_weighted(const NormSide& side, std::size_t head, std::size_t i, double x, double scale);

// A whole row in the side's own rounding.
void exact_row(const NormSide& side, std::size_t head, const std::uint16_t* input, std::uint16_t* output,
               double scale);

}  // namespace qknorm
