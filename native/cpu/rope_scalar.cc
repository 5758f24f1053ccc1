#include "cpu/rope_kernels.h"
#include "cpu/lanes_scalar.h"

namespace qknorm {

extern const RopeKernels kRopeScalar;
const RopeKernels kRopeScalar = RopeOver<LanesScalar>::kTable;

}  // namespace qknorm
