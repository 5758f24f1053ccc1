import type { Refusal } from "@qknorm/core";
import { type QkNormCall as NativeCall, type NormSide as NativeSide, qkNorm } from "@qknorm/native/cpu";
import type { FusedQkNorm, NormSide, QkNormCall, QkNormRun, TensorView } from "../../../backend.ts";
import { weightRefusals } from "../weights.ts";
import { affineOf } from "./affine.ts";
import { nativeQkNormRope } from "./qk-norm-rope.ts";
import { arrayOf } from "./views.ts";

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

// Between two calls: what was normalised last is not for this module to keep alive.
const nothing = new Float32Array(0);

/** QK norm by the addon. Each run of a prepared call changes memory, offsets and tokens alone. */
export const nativeQkNorm: FusedQkNorm = {
  name: "cpu-native",
  qkNormRope: nativeQkNormRope,

  prepare(call: QkNormCall): QkNormRun | readonly Refusal[] {
    const refusals = weightRefusals(call);
    if (refusals.length > 0) return refusals;
    const q = sideOf(call, call.q);
    const k = sideOf(call, call.k);
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

function sideOf({ headDim, inPlace }: QkNormCall, side: NormSide): Mutable<NativeSide> {
  const { heads, tokenStride, headStride, spec } = side;
  return {
    input: nothing,
    inputOffset: 0,
    inputTokenStride: tokenStride,
    inputHeadStride: headStride,
    output: nothing,
    outputOffset: 0,
    outputTokenStride: inPlace ? tokenStride : heads * headDim,
    outputHeadStride: inPlace ? headStride : headDim,
    heads,
    axis: spec.axis,
    ...affineOf(spec, headDim),
  };
}

function place(side: Mutable<NativeSide>, x: TensorView, out: TensorView): void {
  side.input = arrayOf(x);
  side.inputOffset = x.offset;
  side.output = arrayOf(out);
  side.outputOffset = out.offset;
}

function clear(side: Mutable<NativeSide>): void {
  side.input = nothing;
  side.output = nothing;
}
