import type { Refusal } from "@qknorm/core";
import { type QkNormCall as NativeCall, qkNorm } from "@qknorm/native/cpu";
import type { FusedQkNorm, QkNormCall, QkNormRun } from "../../../backend.ts";
import { weightRefusals } from "../weights.ts";
import { clear, type Mutable, place, sideOf } from "./norm-side.ts";
import { nativeQkNormRope } from "./qk-norm-rope.ts";

/** QK norm by the addon. Each run of a prepared call changes memory, offsets and tokens alone. */
export const nativeQkNorm: FusedQkNorm = {
  name: "cpu-native",
  qkNormRope: nativeQkNormRope,

  prepare(call: QkNormCall): QkNormRun | readonly Refusal[] {
    const refusals = weightRefusals(call);
    if (refusals.length > 0) return refusals;
    const q = sideOf(call, call.q, call.q.spec);
    const k = sideOf(call, call.k, call.k.spec);
    const { dtype, headDim } = call;
    const native: Mutable<NativeCall> = { dtype, headDim, tokens: 0, sides: [q, k] };
    return (qIn, kIn, qOut, kOut, tokens) => {
      native.tokens = tokens;
      place(q, qIn, qOut);
      place(k, kIn, kOut);
      try {
        qkNorm(native);
      } finally {
        clear(q);
        clear(k);
      }
      return true;
    };
  },
};
