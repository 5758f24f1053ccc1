#include "cpu/qk_norm_kernel.h"
#include "cpu/qk_norm_tokens.h"
#include "cpu/simd_scalar.h"

void qknorm::qk_norm_tokens_scalar(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
  qk_norm_tokens<SimdScalar>(side, affine, begin, end);
}
