import type { NormRounding } from "@qknorm/core";
import { cudaSiluMul } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { floatDtypeOf, queueOf, rowsOf } from "./places.ts";

/** `out [T, I] = silu(gate) * up` of `gateUp [T, 2I]`. */
export function siluMul(gateUp: TensorView, out: TensorView, rounding: NormRounding): void {
  const [rows, width] = out.shape as [number, number];
  const call = { dtype: floatDtypeOf(out), rounding, rows, width };
  cudaSiluMul(...queueOf(out), { ...call, gateUp: rowsOf(gateUp), out: rowsOf(out) });
}
