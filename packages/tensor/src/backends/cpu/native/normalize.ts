import type { NormSpec } from "@qknorm/core";
import { qkNorm } from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { denseSpec } from "../weights.ts";
import { affineOf } from "./affine.ts";
import { arrayOf, dtypeOf } from "./views.ts";

/** `out [T, H, D] = norm(x [T, H, D])`: QK norm of one tensor. */
export function normalize(x: TensorView, out: TensorView, spec: NormSpec<TensorView>): void {
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  const side = {
    input: arrayOf(x),
    inputOffset: x.offset,
    inputTokenStride: x.strides[0] as number,
    inputHeadStride: x.strides[1] as number,
    output: arrayOf(out),
    outputOffset: out.offset,
    outputTokenStride: out.strides[0] as number,
    outputHeadStride: out.strides[1] as number,
    heads,
    ...affineOf(denseSpec(spec), headDim),
  };
  qkNorm({ dtype: dtypeOf(x), headDim, tokens, sides: [side] });
}
