import { QkNormError } from "@qknorm/core";
import {
  bytesOf,
  type CacheDtype,
  type CacheWriteScales,
  cacheDtypes,
  type Device,
  freeOnFailure,
  keep,
  Tensor,
} from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import type { KvHeads, LayerCache } from "./step.ts";

/** How the memory of a cache is made. */
export interface CacheMemory {
  readonly dtype: CacheDtype;
  readonly device?: Device | undefined;
}

/** Throws `ERR_QKNORM_DTYPE` for what no cache is made of. */
export function assertCacheDtype(dtype: unknown): asserts dtype is CacheDtype {
  if ((cacheDtypes as readonly unknown[]).includes(dtype)) return;
  throw new QkNormError(
    "ERR_QKNORM_DTYPE",
    `the dtype of a cache must be ${cacheDtypes.join(" or ")}, got ${shown(dtype)}`,
  );
}

/** Zeros for so many slots, all of them or, without the memory, none. They live until `disposeLayer`. */
export function newLayer({ dtype, device }: CacheMemory, slots: number, heads: KvHeads): LayerCache {
  const { kvHeads, headDim } = heads;
  const rows = (): Tensor => Tensor.zeros([slots, kvHeads, headDim], dtype, device);
  const factors = (): Tensor => Tensor.zeros([slots, kvHeads], "f32", device);
  return keep(
    freeOnFailure(() => ({
      ...{ keys: rows(), values: rows() },
      scales: dtype === "e4m3" ? { k: factors(), v: factors() } : null,
    })),
  );
}

/** Bytes of a slot. */
export function bytesOfSlot(dtype: CacheDtype, { kvHeads, headDim }: KvHeads): number {
  return 2 * kvHeads * (headDim * bytesOf[dtype] + (dtype === "e4m3" ? bytesOf.f32 : 0));
}

/** What a write to it computes beside the rows. */
export function writeScalesOf({ scales }: LayerCache): CacheWriteScales<Tensor> | null {
  return scales && { ...scales, mode: "computed" };
}

/** The first slots of a layer into another, larger one. */
export function copyLayer(from: LayerCache, to: LayerCache): void {
  const [sources, targets] = [tensorsOf(from), tensorsOf(to)];
  for (const [i, source] of sources.entries()) {
    (targets[i] as Tensor).slice(0, 0, source.dim(0)).copyFrom(source);
  }
}

export function disposeLayer(layer: LayerCache): void {
  for (const tensor of tensorsOf(layer)) tensor.dispose();
}

function tensorsOf({ keys, values, scales }: LayerCache): Tensor[] {
  return [keys, values, ...(scales === null ? [] : [scales.k, scales.v])];
}
