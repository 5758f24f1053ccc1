import { applyQkNorm } from "./apply-qk-norm.ts";
import { normalizeSide } from "./fallback.ts";
import type { HeadLayout } from "./head-layout.ts";
import type { QkNormRopeSteps } from "./qk-norm-rope-provider.ts";
import type { CheckedQkNormRope } from "./qk-norm-rope-request.ts";
import { assertShape, shapeOf, type TensorLike } from "./tensor-like.ts";

/** Runs a chain step by step: norm and RoPE in the order that was asked for, then the write. */
export function runQkNormRopeSteps<T extends TensorLike<T>>(
  checked: CheckedQkNormRope<T>,
  steps: QkNormRopeSteps<T> | null,
): [T, T] {
  const { v, cache, order } = checked;
  const normFirst = order === "norm-rope";
  let pair: [T, T] = [checked.q, checked.k];
  if (normFirst) pair = normalized(pair, checked);
  pair = rotated(pair, checked, steps);
  if (!normFirst) pair = normalized(pair, checked);
  if (cache !== null && v !== null) {
    const [k, values] = [pair[1], v].map((x) => inHeads(x, checked.layout, "k")) as [T, T];
    if (cache.write !== null) cache.write(k, values);
    else steps?.write(k, values);
  }
  return pair;
}

function normalized<T extends TensorLike<T>>([q, k]: [T, T], checked: CheckedQkNormRope<T>): [T, T] {
  const { qNorm, kNorm, layout, normOptions } = checked;
  if (qNorm !== null && kNorm !== null) return applyQkNorm(q, k, qNorm, kNorm, layout.headDim, normOptions);
  return [
    qNorm === null ? q : normalizeSide(q, qNorm, layout, "q"),
    kNorm === null ? k : normalizeSide(k, kNorm, layout, "k"),
  ];
}

function rotated<T extends TensorLike<T>>(
  pair: [T, T],
  { rope, positions, layout }: CheckedQkNormRope<T>,
  steps: QkNormRopeSteps<T> | null,
): [T, T] {
  if (rope === null) return pair;
  const { turn } = rope;
  const one = (x: T, side: "q" | "k"): T => {
    const shape = [...shapeOf(x, side)];
    const heads = inHeads(x, layout, side);
    const y = turn === null ? (steps as QkNormRopeSteps<T>).rotate(heads) : turn(heads, positions);
    assertShape(y, shapeOf(heads, side), `the result of rope for ${side}`, "ERR_QKNORM_ARGUMENT");
    return shapeOf(y, side).length === shape.length ? y : reshaped(y, shape);
  };
  return [one(pair[0], "q"), one(pair[1], "k")];
}

/** `[..., H, D]` of `[..., H*D]`; heads first, as it is. */
function inHeads<T extends TensorLike<T>>(x: T, layout: HeadLayout, side: "q" | "k"): T {
  const { order, leading, headDim } = layout;
  if (order === "heads-first") return x;
  const shape = [...leading, side === "q" ? layout.queryHeads : layout.kvHeads, headDim];
  return shapeOf(x, side).length === shape.length ? x : reshaped(x, shape);
}

function reshaped<T extends TensorLike<T>>(x: T, shape: number[]): T {
  return (x.reshape as (shape: number[]) => T)(shape);
}
