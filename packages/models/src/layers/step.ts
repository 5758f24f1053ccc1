import { QkNormError } from "@qknorm/core";
import { Tensor } from "@qknorm/tensor";
import type { ForwardTrace } from "../generation/trace.ts";
import type { KvCache } from "./kv-cache.ts";

/** What every layer needs to know of one forward pass: the new tokens and where they stand. */
export interface Step {
  /** i32 `[T]`. */
  readonly ids: Tensor;
  /** i32 `[T]`: `past..past + T`. */
  readonly positions: Tensor;
  readonly past: number;
  readonly cache: KvCache;
  readonly trace: ForwardTrace | null;
}

/** A step of new tokens after what the cache holds. Throws `ERR_GENERATION` when they are none or do not fit. */
export function nextStep(ids: ArrayLike<number>, cache: KvCache, trace: ForwardTrace | null = null): Step {
  if (ids.length === 0) throw new QkNormError("ERR_GENERATION", "a forward pass needs at least one token");
  cache.assertRoom(ids.length);
  const past = cache.length;
  const positions = Int32Array.from({ length: ids.length }, (_, i) => past + i);
  return {
    ids: new Tensor(Int32Array.from(ids), "i32", [ids.length]),
    positions: new Tensor(positions, "i32", [ids.length]),
    past,
    cache,
    trace,
  };
}
