import type { NormSpec } from "@qknorm/core";
import type { TensorView } from "../../../backend.ts";
import { dtypeOf, exactly } from "./views.ts";

/** The norm of a side as the addon takes it: weights from their first element to their last, and numbers. */
export function affineOf(spec: NormSpec<TensorView>, headDim: number) {
  const { weight } = spec;
  const bias = spec.bias ?? null;
  const stride = (values: TensorView | null): number =>
    values !== null && spec.axis === "head" && values.size > headDim ? headDim : 0;
  return {
    weight: weight && exactly(weight),
    weightDtype: weight ? dtypeOf(weight) : "f32",
    weightHeadStride: stride(weight),
    bias: bias && exactly(bias),
    biasDtype: bias ? dtypeOf(bias) : "f32",
    biasHeadStride: stride(bias),
    eps: spec.eps,
    kind: spec.kind,
    weightOffset: spec.weightOffset,
    rounding: spec.rounding,
  } as const;
}
