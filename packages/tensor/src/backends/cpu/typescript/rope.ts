import type { NormRounding } from "@qknorm/core";
import type { IndexView, TensorView } from "../../../backend.ts";
import type { RopeTable } from "../../../op-specs.ts";
import { hostIndices } from "../memory.ts";
import { load, rounder, store } from "./values.ts";

/** Rotates value `i` of each head against value `i + R`, or `2i` against `2i + 1`, in place. */
export function rope(
  x: TensorView,
  table: RopeTable<TensorView>,
  positions: IndexView,
  rounding: NormRounding,
): void {
  const [tokens, heads] = x.shape as [number, number];
  const half = table.cos.shape[1] as number;
  const round = rounding === "hf" ? rounder(x) : (value: number) => value;
  const values = hostIndices(positions);
  const [step, apart] = table.layout === "interleaved" ? [2, 1] : [1, half];
  const row = new Float64Array(2 * half);
  const cos = new Float64Array(half);
  const sin = new Float64Array(half);
  for (let token = 0; token < tokens; token++) {
    const position = values[token] as number;
    load(table.cos, table.cos.offset + position * half, half, cos);
    load(table.sin, table.sin.offset + position * half, half, sin);
    for (let head = 0; head < heads; head++) {
      const start = x.offset + token * (x.strides[0] as number) + head * (x.strides[1] as number);
      load(x, start, 2 * half, row);
      for (let i = 0; i < half; i++) {
        const at = i * step;
        const [a, b] = [row[at] as number, row[at + apart] as number];
        const [c, s] = [round(cos[i] as number), round(sin[i] as number)];
        row[at] = round(a * c) - round(b * s);
        row[at + apart] = round(b * c) + round(a * s);
      }
      store(x, start, 2 * half, row);
    }
  }
}
