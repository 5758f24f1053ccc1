#include "cpu/rope_kernels.h"
#include "cpu/lanes_avx512.h"

namespace qknorm {

extern const RopeKernels kRopeAvx512;
const RopeKernels kRopeAvx512 = RopeOver<LanesAvx512>::kTable;

}  // namespace qknorm
