#include "cpu/kernels.h"

namespace qknorm {

extern const CpuKernels kScalarKernels;
#if defined(QKNORM_X86)
extern const CpuKernels kAvx2Kernels;
extern const CpuKernels kAvx512Kernels;
extern const GemmKernels::Dot kAvx512Bf16Dot;
#endif

const CpuKernels& kernels_of(Isa isa) {
  switch (isa) {
#if defined(QKNORM_X86)
    case Isa::kAvx512Bf16: {
      static const CpuKernels kernels = [] {
        CpuKernels made = kAvx512Kernels;
        made.gemm.dot_bf16 = kAvx512Bf16Dot;
        return made;
      }();
      return kernels;
    }
    case Isa::kAvx512:
      return kAvx512Kernels;
    case Isa::kAvx2:
      return kAvx2Kernels;
#endif
    default:
      return kScalarKernels;
  }
}

}  // namespace qknorm
