import * as native from "@qknorm/native/cpu";
import type { AttentionSpan, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { dtypeOf, headsOf, vectorOf } from "./views.ts";

/** `out [T, Hq, D]` from `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`. */
export function attention(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  out: TensorView,
  { past, sinks, ...span }: AttentionSpan,
): void {
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  native.attention({
    dtype: dtypeOf(q),
    tokens,
    past: hostIndices(past)[0] as number,
    queryHeads,
    kvHeads: k.shape[1] as number,
    headDim,
    ...span,
    sinks: sinks && vectorOf(sinks),
    q: headsOf(q),
    k: headsOf(k),
    v: headsOf(v),
    out: headsOf(out),
  });
}
