#include "cpu/gemm_kernels.h"
#include "cpu/lanes_scalar.h"

namespace qknorm {

extern const GemmKernels kGemmScalar;
const GemmKernels kGemmScalar = GemmOver<LanesScalar>::kTable;

}  // namespace qknorm
