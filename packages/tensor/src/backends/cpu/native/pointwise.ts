import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import type { Pointwise } from "../../../op-specs.ts";
import { dtypeOf, vectorOf } from "./views.ts";

/** `out [N] = f(x [N])`. */
export function pointwise(x: TensorView, out: TensorView, f: Pointwise): void {
  const vectors = { count: out.size, x: vectorOf(x), out: vectorOf(out) };
  native.pointwise({ dtype: dtypeOf(out), ...vectors, kind: f.kind, number: numberOf(f) });
}

/** What `f` has beside its kind. */
function numberOf(f: Pointwise): number {
  switch (f.kind) {
    case "scale":
      return f.factor;
    case "soft-cap":
      return f.cap;
    case "clamp":
      return f.limit;
    default:
      return 0;
  }
}
