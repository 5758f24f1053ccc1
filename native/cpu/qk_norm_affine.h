// The weights and biases of one side as the kernels read them: converted once per call, the offset added, padded to
// whole groups, in the lane order of the activation dtype.
#pragma once

#include <cstddef>
#include <memory>

#include "cpu/qk_norm.h"

namespace qknorm {

// Elements that a kernel handles at a time: two registers of sixteen lanes.
inline constexpr std::size_t kGroup = 32;

// With rounding `once` the fast path multiplies x by scale * 2^64 and the weight by 2^-64, so that no intermediate
// result is subnormal; this is the range of weights and scales for which that holds with room to spare.
inline constexpr double kFastShift = 0x1p64;
inline constexpr double kLeastFastGain = 0x1p-60, kMostFastGain = 0x1p60;
inline constexpr double kLeastFastScale = 0x1p-40, kMostFastScale = 0x1p40;

struct NormAffine {
  const float* fast_gain = nullptr;  // null: this side takes the wide path
  bool exact_products = false;       // fast path only: f32 holds any value of the dtype times any of these weights
  const double* gain = nullptr;      // wide path only
  const double* bias = nullptr;      // wide path only; null: no bias
  std::size_t head_stride = 0;       // from one head's numbers to the next one's; 0: shared
  std::unique_ptr<char[]> memory;
};

NormAffine prepare_affine(const NormSide& side);

// weight_offset + weight of one element, 1 for a weightless norm.
double gain_at(const NormSide& side, std::size_t head, std::size_t i);

}  // namespace qknorm
