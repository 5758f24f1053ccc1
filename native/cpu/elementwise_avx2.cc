#include "cpu/elementwise_kernels.h"
#include "cpu/lanes_avx2.h"

namespace qknorm {

extern const ElementwiseKernels kElementwiseAvx2;
const ElementwiseKernels kElementwiseAvx2 = ElementwiseOver<LanesAvx2>::kTable;

}  // namespace qknorm
