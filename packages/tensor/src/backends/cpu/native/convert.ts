import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { vectorOf } from "./views.ts";

/** `out [N] = x [N]` in the dtype of `out`. */
export function convert(x: TensorView, out: TensorView): void {
  native.convert({ count: out.size, from: vectorOf(x), to: vectorOf(out) });
}
