import * as native from "@qknorm/native/cpu";
import type { AttentionSpan, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { attention as ofAnyCache } from "../typescript/attention.ts";
import { dtypeOf, headsOf, vectorOf } from "./views.ts";

/** `out [T, Hq, D]` from `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`; those of another dtype have no native kernel. */
export function attention(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  out: TensorView,
  span: AttentionSpan,
): void {
  if (k.dtype !== q.dtype) {
    ofAnyCache(q, k, v, out, span);
    return;
  }
  const { past, sinks, scales: _, ...rest } = span;
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  native.attention({
    dtype: dtypeOf(q),
    tokens,
    past: hostIndices(past)[0] as number,
    queryHeads,
    kvHeads: k.shape[1] as number,
    headDim,
    ...rest,
    sinks: sinks && vectorOf(sinks),
    q: headsOf(q),
    k: headsOf(k),
    v: headsOf(v),
    out: headsOf(out),
  });
}
