#include "cpu/attention.h"

#include "cpu/attention_block.h"

namespace qknorm {

void attention(const Attention& call, Isa isa) {
  if (call.tokens == 0) return;
  if (call.rounding == AttentionRounding::kHf) {
    attention_hf(call, isa);
  } else {
    attention_once(call, isa);
  }
}

}  // namespace qknorm
