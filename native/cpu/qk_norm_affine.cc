#include "cpu/qk_norm_affine.h"

#include <cmath>

#include "cpu/float_format.h"

namespace qknorm {
namespace {

double element(const NormVector& vector, std::size_t index) {
  switch (vector.dtype) {
    case Dtype::kF32:
      return static_cast<const float*>(vector.data)[index];
    case Dtype::kBf16:
      return decode_bf16(static_cast<const std::uint16_t*>(vector.data)[index]);
    default:
      return decode_f16(static_cast<const std::uint16_t*>(vector.data)[index]);
  }
}

// Where element i of a row lies among the padded numbers: bf16 is unpacked as 16 even, then 16 odd elements.
std::size_t position(Dtype dtype, std::size_t i) {
  if (dtype != Dtype::kBf16) return i;
  return i / kGroup * kGroup + (i % 2) * (kGroup / 2) + i % kGroup / 2;
}

bool fits_fast_path(double gain) {
  const double magnitude = std::fabs(gain);
  return gain == 0 || (magnitude >= kLeastFastGain && magnitude <= kMostFastGain);
}

// False, with the rest unwritten, as soon as one weight is out of range.
bool write_fast_gains(const NormSide& side, std::size_t rows, std::size_t padded, float* gains) {
  const double shift = side.rounding == NormRounding::kOnce ? 1 / kFastShift : 1;
  for (std::size_t head = 0; head < rows; ++head, gains += padded) {
    for (std::size_t i = 0; i < side.head_dim; ++i) {
      const double gain = gain_at(side, head, i);
      if (!fits_fast_path(gain)) return false;
      gains[position(side.dtype, i)] = static_cast<float>(gain * shift);
    }
  }
  return true;
}

}  // namespace

double gain_at(const NormSide& side, std::size_t head, std::size_t i) {
  if (side.weight.data == nullptr) return 1;
  const double weight = element(side.weight, head * side.weight.head_stride + i);
  return side.weight_offset == 0 ? weight : side.weight_offset + weight;  // 0 + -0 would lose the sign
}

NormAffine prepare_affine(const NormSide& side) {
  const bool per_head = side.weight.head_stride != 0 || side.bias.head_stride != 0;
  const std::size_t rows = per_head ? side.heads : 1;
  const std::size_t padded = (side.head_dim + kGroup - 1) / kGroup * kGroup;
  NormAffine affine;
  affine.head_stride = per_head ? padded : 0;

  if (side.dtype != Dtype::kF32 && side.kind != NormKind::kLayer && side.bias.data == nullptr) {
    affine.memory = std::make_unique<char[]>(rows * padded * sizeof(float));
    auto* gains = reinterpret_cast<float*>(affine.memory.get());
    if (write_fast_gains(side, rows, padded, gains)) {
      affine.fast_gain = gains;
      return affine;
    }
  }

  const bool biased = side.bias.data != nullptr;
  affine.memory = std::make_unique<char[]>(rows * padded * sizeof(double) * (biased ? 2 : 1));
  auto* gains = reinterpret_cast<double*>(affine.memory.get());
  double* biases = biased ? gains + rows * padded : nullptr;
  for (std::size_t head = 0; head < rows; ++head) {
    for (std::size_t i = 0; i < side.head_dim; ++i) {
      const std::size_t at = head * padded + position(side.dtype, i);
      gains[at] = gain_at(side, head, i);
      if (biased) biases[at] = element(side.bias, head * side.bias.head_stride + i);
    }
  }
  affine.gain = gains;
  affine.bias = biases;
  return affine;
}

}  // namespace qknorm
