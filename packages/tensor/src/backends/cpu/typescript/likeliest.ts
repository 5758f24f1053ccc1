import type { TensorView } from "../../../backend.ts";
import type { GrowingTexts } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { load } from "./values.ts";

/** Each text of B goes on with the largest of its `logits [B, V]`. */
export function likeliest(logits: TensorView, texts: GrowingTexts<TensorView>): void {
  const [rows, width] = logits.shape as [number, number];
  const values = new Float32Array(width);
  for (let row = 0; row < rows; row++) {
    load(logits, logits.offset + row * (logits.strides[0] as number), width, values);
    goOn(texts, row, largestOf(values));
  }
}

/** The first of the largest; -1 where there is a NaN, or the largest is infinite. */
export function largestOf(values: Float32Array): number {
  let best = Number.NEGATIVE_INFINITY;
  let id = -1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (Number.isNaN(value)) return -1;
    if (value <= best) continue;
    best = value;
    id = i;
  }
  return Number.isFinite(best) ? id : -1;
}

/** A token is fed back and written down where its text stands, -1 for none, and the position goes up. */
export function goOn({ ids, positions, log }: GrowingTexts<TensorView>, row: number, token: number): void {
  const places = log.shape[1] as number;
  const at = positions.offset + row;
  const place = Math.min(Math.max(dataOf(positions)[at] as number, 0), places - 1);
  dataOf(ids)[ids.offset + row] = Math.max(token, 0);
  dataOf(log)[log.offset + row * places + place] = token;
  dataOf(positions)[at] = Math.min(place + 1, places - 1);
}
