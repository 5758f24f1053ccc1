import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { dtypeOf, vectorOf } from "./views.ts";

/** `out [N] = a [N] * b [N]`. */
export function mul(a: TensorView, b: TensorView, out: TensorView): void {
  native.mul({ dtype: dtypeOf(out), count: out.size, a: vectorOf(a), b: vectorOf(b), out: vectorOf(out) });
}
