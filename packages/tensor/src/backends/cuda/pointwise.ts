import type { TensorView } from "../../backend.ts";
import type { Pointwise } from "../../op-specs.ts";
import { elementwise } from "./elementwise.ts";

/** `out = f(x)` over contiguous tensors of one size. */
export function pointwise(x: TensorView, out: TensorView, f: Pointwise): void {
  elementwise(f.kind, x, x, out, numberOf(f));
}

function numberOf(f: Pointwise): number {
  if (f.kind === "scale") return f.factor;
  if (f.kind === "soft-cap") return f.cap;
  return f.kind === "clamp" ? f.limit : 0;
}
