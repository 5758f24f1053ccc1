import * as native from "@qknorm/native/cpu";
import type { IndexView, TensorView } from "../../../backend.ts";
import type { CacheDtype } from "../../../dtype.ts";
import type { CacheWriteScales } from "../../../op-specs.ts";
import { dataOf, hostIndices } from "../memory.ts";
import { dtypeOf, headsOf } from "./views.ts";

/** Rows of k and v into their slots. */
export function writeCache(
  k: TensorView,
  v: TensorView,
  kCache: TensorView,
  vCache: TensorView,
  slots: IndexView,
  scales: CacheWriteScales<TensorView> | null,
): void {
  const [tokens, heads, headDim] = k.shape as [number, number, number];
  native.writeCache({
    dtype: dtypeOf(k),
    tokens,
    heads,
    headDim,
    k: headsOf(k),
    v: headsOf(v),
    target: { ...cacheOf(kCache, vCache, scales), slots: hostIndices(slots) },
  });
}

/** Memory of keys and values as the addon takes it: `[S, Hkv, D]`, and scales `[S, Hkv]`. */
export function cacheOf(kCache: TensorView, vCache: TensorView, scales: CacheWriteScales<TensorView> | null) {
  return {
    cacheDtype: kCache.dtype as CacheDtype,
    slotCount: kCache.shape[0] as number,
    kCache: headsOf(kCache),
    vCache: headsOf(vCache),
    scales: scales && { mode: scales.mode, k: scalesOf(scales.k), v: scalesOf(scales.v) },
  };
}

function scalesOf(x: TensorView) {
  return { ...headsOf(x), data: dataOf(x) as Float32Array };
}
