#include "cpu/gemm_kernels.h"
#include "cpu/lanes_avx512.h"

namespace qknorm {

extern const GemmKernels kGemmAvx512;
const GemmKernels kGemmAvx512 = GemmOver<LanesAvx512>::kTable;

}  // namespace qknorm
