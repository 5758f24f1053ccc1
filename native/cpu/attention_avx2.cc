#include "cpu/attention_softmax.h"
#include "cpu/lanes_avx2.h"

namespace qknorm {

extern const AttentionKernels kAttentionAvx2;
const AttentionKernels kAttentionAvx2 = AttentionOver<LanesAvx2>::kTable;

}  // namespace qknorm
