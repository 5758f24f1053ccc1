import type { TensorView } from "../../../backend.ts";
import type { GrowingTexts } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { load } from "./values.ts";

/** Each text of B goes on with the largest of its `logits [B, V]`. */
export function likeliest(logits: TensorView, { ids, positions, log }: GrowingTexts<TensorView>): void {
  const [rows, width] = logits.shape as [number, number];
  const places = log.shape[1] as number;
  const values = new Float64Array(width);
  const [idsThere, positionsThere, logThere] = [dataOf(ids), dataOf(positions), dataOf(log)];
  for (let row = 0; row < rows; row++) {
    load(logits, logits.offset + row * (logits.strides[0] as number), width, values);
    const token = largest(values);
    const at = positions.offset + row;
    const place = Math.min(Math.max(positionsThere[at] as number, 0), places - 1);
    idsThere[ids.offset + row] = Math.max(token, 0);
    logThere[log.offset + row * places + place] = token;
    positionsThere[at] = Math.min(place + 1, places - 1);
  }
}

/** The first of the largest; -1 where there is a NaN, or the largest is infinite. */
function largest(values: Float64Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let id = -1;
  for (const [i, value] of values.entries()) {
    if (Number.isNaN(value)) return -1;
    if (value <= best) continue;
    best = value;
    id = i;
  }
  return Number.isFinite(best) ? id : -1;
}
