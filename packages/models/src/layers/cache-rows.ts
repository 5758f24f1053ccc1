import { QkNormError } from "@qknorm/core";
import type { Indices, Tensor } from "@qknorm/tensor";
import type { LayerCache } from "./step.ts";

/**
 * Puts rows `k` and `v` `[T, Hkv, D]` into the slots of a layer's memory, neighbours in one copy.
 *
 * @throws ERR_GENERATION for slots that a device made
 */
export function writeRows({ keys, values }: LayerCache, k: Tensor, v: Tensor, slots: Indices): void {
  const { values: rows } = slots;
  if (rows === null)
    throw new QkNormError("ERR_GENERATION", "slots that a device made cannot be written here");
  for (let from = 0; from < rows.length; ) {
    let to = from + 1;
    while (to < rows.length && rows[to] === rows[to - 1]! + 1) to++;
    const slot = rows[from]!;
    keys.slice(0, slot, slot + to - from).copyFrom(k.slice(0, from, to));
    values.slice(0, slot, slot + to - from).copyFrom(v.slice(0, from, to));
    from = to;
  }
}
