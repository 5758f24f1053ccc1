#include "cpu/qk_norm_kernel.h"
#include "cpu/qk_norm_tokens.h"
#include "cpu/simd_avx2.h"

void qknorm::qk_norm_tokens_avx2(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end) {
  qk_norm_tokens<SimdAvx2>(side, affine, begin, end);
}
