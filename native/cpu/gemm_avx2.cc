#include "cpu/gemm_kernels.h"
#include "cpu/lanes_avx2.h"

namespace qknorm {

extern const GemmKernels kGemmAvx2;
const GemmKernels kGemmAvx2 = GemmOver<LanesAvx2>::kTable;

}  // namespace qknorm
