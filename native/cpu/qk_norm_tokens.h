// The kernel of each instruction set: tokens [begin, end) of one side.
#pragma once

#include <cstddef>

#include "cpu/qk_norm_affine.h"

namespace qknorm {

using QkNormTokens = void(const NormSide& side, const NormAffine& affine, std::size_t begin, std::size_t end);

QkNormTokens qk_norm_tokens_scalar, qk_norm_tokens_avx2, qk_norm_tokens_avx512;

}  // namespace qknorm
