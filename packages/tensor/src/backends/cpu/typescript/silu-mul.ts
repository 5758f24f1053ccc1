import type { NormRounding } from "@qknorm/core";
import type { TensorView } from "../../../backend.ts";
import { load, rounder, store } from "./values.ts";

/** `out [T, I] = silu(gate) * up`; with rounding `hf`, silu(gate) is rounded before the product. */
export function siluMul(gateUp: TensorView, out: TensorView, rounding: NormRounding): void {
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
