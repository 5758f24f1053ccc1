import type { NormSpec } from "@qknorm/core";
import type { NativeArray, NormSide as NativeSide } from "@qknorm/native/cpu";
import type { NormSide, TensorView } from "../../../backend.ts";
import { affineOf } from "./affine.ts";
import { arrayOf } from "./views.ts";

export type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

/** What stands for memory between two calls: what was normalised last is not for a prepared call to keep alive. */
export const nothing: NativeArray = new Float32Array(0);

/** One of q and k with its norm as the addon takes it, but for where it lies. */
export function sideOf(
  { headDim, inPlace }: { readonly headDim: number; readonly inPlace: boolean },
  { heads, tokenStride, headStride }: Omit<NormSide, "spec">,
  spec: NormSpec<TensorView>,
): Mutable<NativeSide> {
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

export function place(side: Mutable<NativeSide>, x: TensorView, out: TensorView): void {
  side.input = arrayOf(x);
  side.inputOffset = x.offset;
  side.output = arrayOf(out);
  side.outputOffset = out.offset;
}

export function clear(side: Mutable<NativeSide>): void {
  side.input = nothing;
  side.output = nothing;
}
