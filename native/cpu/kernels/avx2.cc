#include "cpu/kernels/lanes_avx2.h"
#include "cpu/kernels/simd_avx2.h"
#include "cpu/kernels/table.h"

namespace qknorm {

extern const CpuKernels kAvx2Kernels;
const CpuKernels kAvx2Kernels = kKernelsOver<LanesAvx2, SimdAvx2>;

}  // namespace qknorm
