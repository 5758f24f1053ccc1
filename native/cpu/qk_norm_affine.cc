#include "cpu/qk_norm_affine.h"

#include <algorithm>
#include <bit>
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

// Up to a group of numbers at once, with the choice of dtype outside the loop: a decode step converts as many weights
// as it normalises values.
void decode(const NormVector& vector, std::size_t index, std::size_t count, double* numbers) {
  switch (vector.dtype) {
    case Dtype::kF32: {
      const float* x = static_cast<const float*>(vector.data) + index;
      for (std::size_t i = 0; i < count; ++i) numbers[i] = x[i];
      return;
    }
    case Dtype::kBf16: {
      const std::uint16_t* x = static_cast<const std::uint16_t*>(vector.data) + index;
      for (std::size_t i = 0; i < count; ++i) numbers[i] = decode_bf16(x[i]);
      return;
    }
    case Dtype::kF16: {
      const std::uint16_t* x = static_cast<const std::uint16_t*>(vector.data) + index;
      for (std::size_t i = 0; i < count; ++i) numbers[i] = decode_f16(x[i]);
      return;
    }
  }
}

// weight_offset + weight, without losing the sign of a weight of -0.
double offset_weight(const NormSide& side, double weight) {
  return side.weight_offset == 0 ? weight : side.weight_offset + weight;
}

void decode_gains(const NormSide& side, std::size_t head, std::size_t i, std::size_t count, double* gains) {
  if (side.weight.data == nullptr) {
    std::fill_n(gains, count, 1.0);
    return;
  }
  decode(side.weight, head * side.weight.head_stride + i, count, gains);
  for (std::size_t j = 0; j < count; ++j) gains[j] = offset_weight(side, gains[j]);
}

bool fit_fast_path(const double* gains) {
  bool fit = true;
  for (std::size_t j = 0; j < kGroup; ++j) {
    const double magnitude = std::fabs(gains[j]);
    fit &= (magnitude == 0) | ((magnitude >= kLeastFastGain) & (magnitude <= kMostFastGain));
  }
  return fit;
}

// Whether f32 holds the products of these with any value of the dtype, which has 8 or 11 significant bits.
bool have_exact_products(Dtype dtype, const double* gains) {
  const std::uint32_t surplus = dtype == Dtype::kBf16 ? 0xff : 0x7ff;  // bits of an f32 beyond 24 - 8 or 24 - 11
  bool exact = true;
  for (std::size_t j = 0; j < kGroup; ++j) {
    const float gain = static_cast<float>(gains[j]);
    exact &= (gain == gains[j]) & ((std::bit_cast<std::uint32_t>(gain) & surplus) == 0);
  }
  return exact;
}

// One group in lane order: bf16 is unpacked as 16 even, then 16 odd elements.
template <typename Number>
void write_lanes(Dtype dtype, const double* group, double factor, Number* lanes) {
  if (dtype == Dtype::kBf16) {
    for (std::size_t j = 0; j < kGroup / 2; ++j) {
      lanes[j] = static_cast<Number>(group[2 * j] * factor);
      lanes[j + kGroup / 2] = static_cast<Number>(group[2 * j + 1] * factor);
    }
  } else {
    for (std::size_t j = 0; j < kGroup; ++j) lanes[j] = static_cast<Number>(group[j] * factor);
  }
}

// Calls visit(head, first element, elements, lanes before it) for each group of each row of weights or biases.
template <typename Visit>
bool each_group(const NormSide& side, std::size_t rows, Visit visit) {
  std::size_t lanes = 0;
  for (std::size_t head = 0; head < rows; ++head) {
    for (std::size_t i = 0; i < side.head_dim; i += kGroup, lanes += kGroup) {
      if (!visit(head, i, std::min(side.head_dim - i, kGroup), lanes)) return false;
    }
  }
  return true;
}

}  // namespace

double gain_at(const NormSide& side, std::size_t head, std::size_t i) {
  if (side.weight.data == nullptr) return 1;
  return offset_weight(side, element(side.weight, head * side.weight.head_stride + i));
}

NormAffine prepare_affine(const NormSide& side) {
  const bool per_head = side.weight.head_stride != 0 || side.bias.head_stride != 0;
  const std::size_t rows = per_head ? side.heads : 1;
  const std::size_t padded = (side.head_dim + kGroup - 1) / kGroup * kGroup;
  NormAffine affine;
  affine.head_stride = per_head ? padded : 0;

  if (side.dtype != Dtype::kF32 && side.kind != NormKind::kLayer && side.bias.data == nullptr) {
    affine.memory.reset(new char[rows * padded * sizeof(float)]);
    auto* gains = reinterpret_cast<float*>(affine.memory.get());
    const double shift = side.rounding == NormRounding::kOnce ? 1 / kFastShift : 1;
    affine.exact_products = true;
    const bool fit = each_group(side, rows, [&](auto head, auto i, auto count, auto lanes) {
      double group[kGroup] = {};
      decode_gains(side, head, i, count, group);
      write_lanes(side.dtype, group, shift, gains + lanes);
      affine.exact_products &= have_exact_products(side.dtype, group);
      return fit_fast_path(group);
    });
    if (fit) {
      affine.fast_gain = gains;
      return affine;
    }
  }

  const bool biased = side.bias.data != nullptr;
  affine.memory.reset(new char[rows * padded * sizeof(double) * (biased ? 2 : 1)]);
  auto* gains = reinterpret_cast<double*>(affine.memory.get());
  double* biases = biased ? gains + rows * padded : nullptr;
  each_group(side, rows, [&](auto head, auto i, auto count, auto lanes) {
    double group[kGroup] = {};
    decode_gains(side, head, i, count, group);
    write_lanes(side.dtype, group, 1, gains + lanes);
    if (biased) {
      decode(side.bias, head * side.bias.head_stride + i, count, group);
      write_lanes(side.dtype, group, 1, biases + lanes);
    }
    return true;
  });
  affine.gain = gains;
  affine.bias = biases;
  return affine;
}

}  // namespace qknorm
