import type { Refusal } from "@qknorm/core";
import type { FusedQkNorm, NormSide, QkNormCall, QkNormRun, TensorView } from "../../../backend.ts";
import { weightRefusals } from "../weights.ts";
import { normalize } from "./normalize.ts";
import { typescriptQkNormRope } from "./qk-norm-rope.ts";

/** QK norm in plain TypeScript: q, then k. */
export const typescriptQkNorm: FusedQkNorm = {
  name: "cpu-typescript",
  qkNormRope: typescriptQkNormRope,

  prepare(call: QkNormCall): QkNormRun | readonly Refusal[] {
    const refusals = weightRefusals(call);
    if (refusals.length > 0) return refusals;
    const { q, k, headDim, inPlace } = call;
    const run = (side: NormSide, x: TensorView, y: TensorView, tokens: number): void => {
      const { heads, tokenStride, headStride, spec } = side;
      const row = heads * headDim;
      // Across heads, a token is one row.
      const shape = spec.axis === "row" ? [tokens, 1, row] : [tokens, heads, headDim];
      const strides = [tokenStride, headStride, 1];
      const outStrides = inPlace ? strides : [row, headDim, 1];
      normalize({ ...partsOf(x), shape, strides }, { ...partsOf(y), shape, strides: outStrides }, spec);
    };
    return (qIn, kIn, qOut, kOut, tokens) => {
      run(q, qIn, qOut, tokens);
      run(k, kIn, kOut, tokens);
      return true;
    };
  },
};

function partsOf({ memory, dtype, offset, size }: TensorView) {
  return { memory, dtype, offset, size };
}
