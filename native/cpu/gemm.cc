#include "cpu/gemm.h"

namespace qknorm {

extern const GemmKernels kGemmScalar;
#if defined(QKNORM_X86)
extern const GemmKernels kGemmAvx2;
extern const GemmKernels kGemmAvx512;
#endif

const GemmKernels& gemm_kernels(Isa isa) {
#if defined(QKNORM_X86)
  if (isa == Isa::kAvx512) return kGemmAvx512;
  if (isa == Isa::kAvx2) return kGemmAvx2;
#endif
  static_cast<void>(isa);
  return kGemmScalar;
}

}  // namespace qknorm
