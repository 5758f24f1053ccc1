#include "cpu/qk_norm_exact.h"

#include "cpu/float_format.h"
#include "cpu/qk_norm_affine.h"

namespace qknorm {
namespace {

std::uint16_t encode(Dtype dtype, double x) {
  const float odd = narrow_to_odd(x);
  return static_cast<std::uint16_t>(dtype == Dtype::kBf16 ? round_f32_to_bf16(odd) : round_f32_to_f16(odd));
}

double decode(Dtype dtype, std::uint16_t pattern) {
  return dtype == Dtype::kBf16 ? decode_bf16(pattern) : decode_f16(pattern);
}

}  // namespace

std::uint16_t exact_normalized(Dtype dtype, double x, double scale) { return encode(dtype, x * scale); }

std::uint16_t exact_weighted(const NormSide& side, std::size_t head, std::size_t i, double x, double scale) {
  return encode(side.dtype, x * scale * gain_at(side, head, i));
}

void exact_row(const NormSide& side, std::size_t head, const std::uint16_t* input, std::uint16_t* output,
               double scale) {
  for (std::size_t i = 0; i < side.head_dim; ++i) {
    const double x = decode(side.dtype, input[i]);
    if (side.rounding == NormRounding::kOnce) {
      output[i] = exact_weighted(side, head, i, x, scale);
    } else {
      const double normalized = decode(side.dtype, exact_normalized(side.dtype, x, scale));
      output[i] = encode(side.dtype, normalized * gain_at(side, head, i));
    }
  }
}

}  // namespace qknorm
