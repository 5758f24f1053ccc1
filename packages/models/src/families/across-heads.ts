import type { NormRounding } from "@qknorm/core";
import type { AttentionSpec, QkNormSetting } from "../layers/attention.ts";
import { rmsSetting } from "../layers/norm.ts";

/** RMS norms over all heads of a token before RoPE, weights `[Hq * D]` and `[Hkv * D]`: as OLMo has them. */
export function qkNormAcrossHeads(
  {
    queryHeads,
    kvHeads,
    headDim,
    eps,
  }: Pick<AttentionSpec, "queryHeads" | "kvHeads" | "headDim"> & { readonly eps: number },
  rounding: NormRounding,
): QkNormSetting {
  const across = (heads: number) => ({ ...rmsSetting(heads * headDim, eps), axis: "row", rounding }) as const;
  return { q: across(queryHeads), k: across(kvHeads), order: "norm-rope" };
}
