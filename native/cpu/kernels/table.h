// The table of one instruction set, from kernels that are written once. Include only from <isa>.cc: what these headers
// define must not be compiled with the flags of one instruction set and run on another.
#pragma once

#include "cpu/kernels.h"
#include "cpu/kernels/attention.h"
#include "cpu/kernels/cache.h"
#include "cpu/kernels/delta.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/qk_norm.h"
#include "cpu/kernels/rope.h"

namespace qknorm {

template <typename Lanes, typename Simd>
inline constexpr CpuKernels kKernelsOver = {qk_norm_tokens<Simd>, GemmOver<Lanes>::kTable, AttentionOver<Lanes>::kTable,
                                            ElementwiseOver<Lanes>::kTable, RopeOver<Lanes>::kTable,
                                            CacheOver<Lanes>::kTable, DeltaOver<Simd>::kTable};

}  // namespace qknorm
