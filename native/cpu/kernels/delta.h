// DeltaKernels, written once over sixteen virtual lanes: all instruction sets give the same bits.
#pragma once

#include <cstddef>

#include "cpu/kernels.h"

namespace qknorm {

template <class S>
struct DeltaOver {
  using F32 = typename S::F32;
  using F64 = typename S::F64;

  static constexpr std::size_t kHalf = kDeltaColumns / 2;

  // Two registers side by side, so that one's additions run while the other's wait.
  static void step(float* state, std::size_t rows, const DeltaStep& token) {
    F64 held_a = S::splat64(0), held_b = held_a;
    const F64 decay = S::splat64(token.decay);
    for (std::size_t i = 0; i < rows; ++i) {
      float* const row = state + i * kDeltaColumns;
      const F32 a = S::narrow(S::mul(S::widen(S::load(row)), decay));
      const F32 b = S::narrow(S::mul(S::widen(S::load(row + kHalf)), decay));
      S::store(row, a);
      S::store(row + kHalf, b);
      const F64 part = S::splat64(token.k[i]);
      held_a = S::add(held_a, S::mul(part, S::widen(a)));
      held_b = S::add(held_b, S::mul(part, S::widen(b)));
    }
    const F64 change_a = S::sub(S::widen(S::load(token.v)), held_a);
    const F64 change_b = S::sub(S::widen(S::load(token.v + kHalf)), held_b);
    F64 out_a = S::splat64(0), out_b = out_a;
    for (std::size_t i = 0; i < rows; ++i) {
      float* const row = state + i * kDeltaColumns;
      const F64 part = S::splat64(token.k[i] * token.beta), asked = S::splat64(token.q[i] * token.scale);
      const F32 a = S::narrow(S::add(S::widen(S::load(row)), S::mul(part, change_a)));
      const F32 b = S::narrow(S::add(S::widen(S::load(row + kHalf)), S::mul(part, change_b)));
      S::store(row, a);
      S::store(row + kHalf, b);
      out_a = S::add(out_a, S::mul(asked, S::widen(a)));
      out_b = S::add(out_b, S::mul(asked, S::widen(b)));
    }
    S::store(token.out, token.to_odd ? S::narrow_to_odd(out_a) : S::narrow(out_a));
    S::store(token.out + kHalf, token.to_odd ? S::narrow_to_odd(out_b) : S::narrow(out_b));
  }

  static constexpr DeltaKernels kTable = {step};
};

}  // namespace qknorm
