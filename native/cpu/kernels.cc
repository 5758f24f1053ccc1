#include "cpu/kernels.h"

namespace qknorm {

extern const CpuKernels kScalarKernels;
#if defined(QKNORM_X86)
extern const CpuKernels kAvx2Kernels;
extern const CpuKernels kAvx512Kernels;
#endif

const CpuKernels& kernels_of(Isa isa) {
  switch (isa) {
#if defined(QKNORM_X86)
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
