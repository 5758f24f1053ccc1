import type { TensorView } from "../../backend.ts";
import { elementwise } from "./elementwise.ts";

/** `out = a * b` over contiguous tensors of one size. */
export function mul(a: TensorView, b: TensorView, out: TensorView): void {
  elementwise("product", a, b, out);
}
