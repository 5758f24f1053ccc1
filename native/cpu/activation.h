// Activations by transformers' meaning of them, one number at a time: the same bits on every instruction set.
#pragma once

namespace qknorm {

// The numbers are part of the binding's protocol (src/numbers.ts).
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kRelu2, kSigmoid, kSoftplus, kTanh };

float activate(Activation activation, float x);

}  // namespace qknorm
