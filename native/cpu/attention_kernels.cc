#include "cpu/attention_kernels.h"

namespace qknorm {

extern const AttentionKernels kAttentionScalar;
#if defined(QKNORM_X86)
extern const AttentionKernels kAttentionAvx2;
extern const AttentionKernels kAttentionAvx512;
#endif

const AttentionKernels& attention_kernels(Isa isa) {
#if defined(QKNORM_X86)
  if (isa == Isa::kAvx512) return kAttentionAvx512;
  if (isa == Isa::kAvx2) return kAttentionAvx2;
#endif
  static_cast<void>(isa);
  return kAttentionScalar;
}

}  // namespace qknorm
