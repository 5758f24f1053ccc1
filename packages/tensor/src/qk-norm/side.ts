import type { HeadLayout, NormSpec } from "@qknorm/core";
import type { NormSide, TensorView } from "../backend.ts";
import { reshapedView, transposedView } from "../checked-view.ts";
import { lastAxisIsDense } from "../strides.ts";

/** q or k as `[T, H, D]`; `null` where its heads have no single stride, or their last axis has gaps. */
export function readSide<Spec extends NormSpec<TensorView> | null>(
  x: TensorView,
  layout: HeadLayout,
  side: "q" | "k",
  spec: Spec,
): (Omit<NormSide, "spec"> & { readonly spec: Spec }) | null {
  const { order, tokens, headDim } = layout;
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  const tokensFirst = order === "heads-first" ? transposedView(x, -3, -2) : x;
  const view = reshapedView(tokensFirst, [tokens, heads, headDim]);
  if (view === null || !lastAxisIsDense(view)) return null;
  const [tokenStep, headStep] = view.strides as [number, number];
  // A stride that is never walked may be any number: it must not cost alignment.
  const headStride = heads > 1 ? headStep : 0;
  const { memory, dtype } = x;
  const { shape, strides, offset, size } = view;
  const tokenStride = mayGrow(x, layout, heads, headStride)
    ? (x.strides[0] as number)
    : tokens > 1
      ? tokenStep
      : 0;
  return { x: { memory, dtype, shape, strides, offset, size }, heads, tokenStride, headStride, spec };
}

/** Elements from the first of a token to behind its last. */
export function spanOf(heads: number, headStride: number, headDim: number): number {
  return Math.max(0, heads - 1) * headStride + headDim;
}

/** Whether the first axis is that of the tokens, and they lie apart however many there are. */
export function mayGrow(
  x: TensorView,
  { order, leading, headDim }: HeadLayout,
  heads: number,
  headStride: number,
): boolean {
  if (order === "heads-first" || leading.length !== 1) return false;
  return (x.strides[0] as number) >= spanOf(heads, headStride, headDim);
}
