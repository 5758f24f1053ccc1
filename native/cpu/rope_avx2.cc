#include "cpu/rope_kernels.h"
#include "cpu/lanes_avx2.h"

namespace qknorm {

extern const RopeKernels kRopeAvx2;
const RopeKernels kRopeAvx2 = RopeOver<LanesAvx2>::kTable;

}  // namespace qknorm
