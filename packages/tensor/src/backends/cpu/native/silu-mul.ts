import type { NormRounding } from "@qknorm/core";
import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { dtypeOf, rowsOf } from "./views.ts";

/** `out [T, I] = silu(gate) * up` of `gateUp [T, 2I]`. */
export function siluMul(gateUp: TensorView, out: TensorView, rounding: NormRounding): void {
  const [rows, width] = out.shape as [number, number];
  native.siluMul({ dtype: dtypeOf(out), rows, width, gateUp: rowsOf(gateUp), out: rowsOf(out), rounding });
}
