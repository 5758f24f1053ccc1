import type { NormRounding } from "@qknorm/core";
import type { AttentionSpec, QkNormSetting } from "../layers/attention.ts";
import { assertSizes } from "../layers/layer-arguments.ts";
import { rmsSetting } from "../layers/norm.ts";

/**
 * RMS norms over all heads of a token before RoPE, weights `[Hq * D]` and `[Hkv * D]`: as OLMo has them. Throws
 * `ERR_QKNORM_ARGUMENT` for sizes that are no integers from 1.
 */
export function qkNormAcrossHeads(
  {
    queryHeads,
    kvHeads,
    headDim,
    eps,
  }: Pick<AttentionSpec, "queryHeads" | "kvHeads" | "headDim"> & { readonly eps: number },
  rounding: NormRounding,
): QkNormSetting {
  assertSizes({ queryHeads, kvHeads, headDim }, 1);
  const across = (heads: number) => ({ ...rmsSetting(heads * headDim, eps), axis: "row", rounding }) as const;
  return { q: across(queryHeads), k: across(kvHeads), order: "norm-rope" };
}
