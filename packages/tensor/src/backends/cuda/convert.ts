import type { TensorView } from "../../backend.ts";
import { elementwise } from "./elementwise.ts";

/** `out = x` in the dtype of `out`, over contiguous tensors of one size. */
export function convert(x: TensorView, out: TensorView): void {
  elementwise("conversion", x, x, out);
}
