import * as native from "@qknorm/native/cpu";
import type { ExpertViews, MoeSpec, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { dtypeOf, headsOf, rowsOf, vectorOf } from "./views.ts";

/** `out [T, C]` from `x [T, C]`: see the op. */
export function moe(x: TensorView, { gate, up, down }: ExpertViews, out: TensorView, spec: MoeSpec): void {
  const [tokens, hidden] = x.shape as [number, number];
  const [experts, intermediate] = gate.shape as [number, number];
  const { weights, weighs, activation, rounding } = spec;
  native.moe({
    tokens,
    choices: weights.shape[1] as number,
    experts,
    hidden,
    intermediate,
    x: rowsOf(x),
    gate: stackOf(gate),
    up: stackOf(up),
    down: stackOf(down),
    chosen: hostIndices(spec.experts),
    weights: vectorOf(weights),
    out: rowsOf(out),
    weighs,
    activation,
    rounding,
  });
}

function stackOf(x: TensorView) {
  return { ...headsOf(x), dtype: dtypeOf(x) };
}
