#include "cpu/kernels/lanes_scalar.h"
#include "cpu/kernels/simd_scalar.h"
#include "cpu/kernels/table.h"

namespace qknorm {

extern const CpuKernels kScalarKernels;
const CpuKernels kScalarKernels = kKernelsOver<LanesScalar, SimdScalar>;

}  // namespace qknorm
