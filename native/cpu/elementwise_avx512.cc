#include "cpu/elementwise_kernels.h"
#include "cpu/lanes_avx512.h"

namespace qknorm {

extern const ElementwiseKernels kElementwiseAvx512;
const ElementwiseKernels kElementwiseAvx512 = ElementwiseOver<LanesAvx512>::kTable;

}  // namespace qknorm
