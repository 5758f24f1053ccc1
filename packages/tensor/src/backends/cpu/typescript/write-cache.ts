import { encodeE4m3, scaleE4m3 } from "@qknorm/core";
import type { IndexView, TensorView } from "../../../backend.ts";
import type { CacheWriteScales } from "../../../op-specs.ts";
import { dataOf, hostIndices } from "../memory.ts";
import { load, store } from "./values.ts";

/** Rows of k and v into their slots. */
export function writeCache(
  k: TensorView,
  v: TensorView,
  kCache: TensorView,
  vCache: TensorView,
  slots: IndexView,
  scales: CacheWriteScales<TensorView> | null,
): void {
  const rows = hostIndices(slots);
  writeSide(k, kCache, rows, scales && { values: scales.k, mode: scales.mode });
  writeSide(v, vCache, rows, scales && { values: scales.v, mode: scales.mode });
}

function writeSide(
  x: TensorView,
  cache: TensorView,
  rows: Int32Array,
  scales: { readonly values: TensorView; readonly mode: CacheWriteScales<TensorView>["mode"] } | null,
): void {
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  const row = new Float64Array(headDim);
  for (let token = 0; token < tokens; token++) {
    const slot = rows[token] as number;
    if (slot < 0 || slot >= (cache.shape[0] as number)) continue;
    for (let head = 0; head < heads; head++) {
      load(x, at(x, token, head), headDim, row);
      const place = at(cache, slot, head);
      if (scales === null) store(cache, place, headDim, row);
      else storeScaled(cache, place, row, scales.values, at(scales.values, slot, head), scales.mode);
    }
  }
}

function storeScaled(
  cache: TensorView,
  place: number,
  row: Float64Array,
  scales: TensorView,
  scaleAt: number,
  mode: CacheWriteScales<TensorView>["mode"],
): void {
  const held = dataOf(scales);
  if (mode === "computed") held[scaleAt] = scaleE4m3(largestOf(row));
  const inverse = Math.fround(1 / (held[scaleAt] as number));
  const data = dataOf(cache);
  for (let i = 0; i < row.length; i++) {
    data[place + i] = encodeE4m3(Math.fround((row[i] as number) * inverse));
  }
}

/** The largest magnitude; NaN counts as none. */
function largestOf(row: Float64Array): number {
  let largest = 0;
  for (const value of row) {
    const magnitude = Math.abs(value);
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

function at({ offset, strides }: TensorView, row: number, head: number): number {
  return offset + row * (strides[0] as number) + head * (strides[1] as number);
}
