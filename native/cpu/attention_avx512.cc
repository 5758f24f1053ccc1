#include "cpu/attention_softmax.h"
#include "cpu/lanes_avx512.h"

namespace qknorm {

extern const AttentionKernels kAttentionAvx512;
const AttentionKernels kAttentionAvx512 = AttentionOver<LanesAvx512>::kTable;

}  // namespace qknorm
