import { cudaRoute } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import type { RouterSpec } from "../../op-specs.ts";
import { floatDtypeOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** `experts` and `weights` `[T, K]` of `logits [T, E]`. */
export function route(
  logits: TensorView,
  bias: TensorView | null,
  experts: TensorView,
  weights: TensorView,
  spec: RouterSpec,
): void {
  const [tokens, count] = logits.shape as [number, number];
  cudaRoute(...queueOf(logits), {
    ...spec,
    ...{ tokens, count, experts: placeOf(experts) },
    logits: { ...rowsOf(logits), dtype: floatDtypeOf(logits) },
    bias: bias && { ...placeOf(bias), dtype: floatDtypeOf(bias) },
    weights: { ...placeOf(weights), dtype: floatDtypeOf(weights) },
  });
}
