import type { NormRounding } from "@qknorm/core";
import type { Tensor } from "../tensor.ts";
import { load, rounder, store } from "./values.ts";

/** `out [T, I] = silu(gate) * up`; with rounding `hf`, silu(gate) is rounded before the product. */
export function siluMul(gateUp: Tensor, out: Tensor, rounding: NormRounding): void {
  const [tokens, width] = out.shape as [number, number];
  const round = rounding === "hf" ? rounder(out) : (value: number) => value;
  const gate = new Float64Array(width);
  const up = new Float64Array(width);
  for (let token = 0; token < tokens; token++) {
    const start = gateUp.offset + token * (gateUp.strides[0] as number);
    load(gateUp, start, width, gate);
    load(gateUp, start + width, width, up);
    for (let i = 0; i < width; i++) {
      const value = gate[i] as number;
      gate[i] = round(value / (1 + Math.exp(-value))) * (up[i] as number);
    }
    store(out, out.offset + token * (out.strides[0] as number), width, gate);
  }
}

/** `out = a + b` over contiguous tensors of one size. */
export function add(a: Tensor, b: Tensor, out: Tensor): void {
  const left = new Float64Array(a.size);
  const right = new Float64Array(b.size);
  load(a, a.offset, a.size, left);
  load(b, b.offset, b.size, right);
  for (let i = 0; i < left.length; i++) left[i] = (left[i] as number) + (right[i] as number);
  store(out, out.offset, out.size, left);
}

/** `out [T, C] = table[ids]`. */
export function gatherRows(table: Tensor, ids: Tensor, out: Tensor): void {
  const [tokens, width] = out.shape as [number, number];
  const row = new Float64Array(width);
  for (let token = 0; token < tokens; token++) {
    const id = ids.data[ids.offset + token] as number;
    load(table, table.offset + id * (table.strides[0] as number), width, row);
    store(out, out.offset + token * (out.strides[0] as number), width, row);
  }
}

/** `out = x` in the dtype of `out`, over contiguous tensors of one size, a block at a time. */
export function convert(x: Tensor, out: Tensor): void {
  const block = new Float64Array(Math.min(x.size, 4096));
  for (let start = 0; start < x.size; start += block.length) {
    const count = Math.min(block.length, x.size - start);
    load(x, x.offset + start, count, block);
    store(out, out.offset + start, count, block);
  }
}
