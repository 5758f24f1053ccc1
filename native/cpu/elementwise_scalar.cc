#include "cpu/elementwise_kernels.h"
#include "cpu/lanes_scalar.h"

namespace qknorm {

extern const ElementwiseKernels kElementwiseScalar;
const ElementwiseKernels kElementwiseScalar = ElementwiseOver<LanesScalar>::kTable;

}  // namespace qknorm
