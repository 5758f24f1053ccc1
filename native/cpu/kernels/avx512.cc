#include "cpu/kernels/lanes_avx512.h"
#include "cpu/kernels/simd_avx512.h"
#include "cpu/kernels/table.h"

namespace qknorm {

extern const CpuKernels kAvx512Kernels;
const CpuKernels kAvx512Kernels = kKernelsOver<LanesAvx512, SimdAvx512>;

}  // namespace qknorm
