#include "cpu/attention_softmax.h"
#include "cpu/lanes_scalar.h"

namespace qknorm {

extern const AttentionKernels kAttentionScalar;
const AttentionKernels kAttentionScalar = AttentionOver<LanesScalar>::kTable;

}  // namespace qknorm
