import type { NormSpec, Refusal } from "@qknorm/core";
import type { TensorView } from "../../backend.ts";
import { reshapedView } from "../../checked-view.ts";
import { lastAxisIsDense } from "../../strides.ts";

/** Weight and bias of a norm as a kernel addresses them. */
export interface Affine {
  readonly weight: TensorView | null;
  readonly bias: TensorView | null;
  /** Elements between the rows of `[H, D]`, of weight and bias alike; 0 for `[D]`. */
  readonly headStride: number;
}

/**
 * The weights of a norm of `heads` heads, or why no kernel takes them as they lie. Their sizes are checked already;
 * `whose` is for messages: "the q norm's".
 */
export function readAffine(
  spec: NormSpec<TensorView>,
  heads: number,
  headDim: number,
  whose: string,
): Affine | Refusal {
  const { weight } = spec;
  const bias = spec.bias ?? null;
  if (weight !== null && bias !== null && weight.dtype !== bias.dtype) {
    return { code: "weight-dtype", detail: `${whose} weight is ${weight.dtype} and its bias ${bias.dtype}` };
  }
  const strides = [weight, bias].flatMap((values) => (values === null ? [] : [rowStride(values, headDim)]));
  if (strides.includes(null)) {
    return { code: "layout", detail: `${whose} weight or bias has rows with gaps` };
  }
  const [headStride = 0, other = headStride] = strides as number[];
  if (heads > 1 && headStride !== other) {
    return { code: "weight-shape", detail: `${whose} weight and bias have rows of different strides` };
  }
  return { weight, bias, headStride: heads > 1 ? headStride : 0 };
}

/** 0 for one row; `null` where its elements have gaps or the rows have no single stride. */
function rowStride(values: TensorView, headDim: number): number | null {
  const rows = reshapedView(values, [values.size / headDim, headDim]);
  if (rows === null || !lastAxisIsDense(rows)) return null;
  return rows.shape[0] === 1 ? 0 : (rows.strides[0] as number);
}
