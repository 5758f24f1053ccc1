import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { rowsOf, vectorOf } from "./views.ts";

/** `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`. */
export function linear(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): void {
  native.linear({
    rows: x.shape[0] as number,
    inFeatures: x.shape[1] as number,
    outFeatures: w.shape[0] as number,
    x: rowsOf(x),
    weight: rowsOf(w),
    bias: bias && vectorOf(bias),
    out: rowsOf(out),
  });
}
