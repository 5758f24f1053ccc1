import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import type { XieluParameters } from "../../../op-specs.ts";
import { load } from "../typescript/values.ts";
import { dtypeOf, vectorOf } from "./views.ts";

/** `out [N] = xIELU(x [N])`. */
export function xielu(x: TensorView, out: TensorView, parameters: XieluParameters<TensorView>): void {
  const numbers = {
    alphaP: numberIn(parameters.alphaP),
    alphaN: numberIn(parameters.alphaN),
    beta: numberIn(parameters.beta),
    eps: numberIn(parameters.eps),
  };
  const vectors = { count: out.size, x: vectorOf(x), out: vectorOf(out) };
  native.xielu({ dtype: dtypeOf(out), ...vectors, ...numbers });
}

function numberIn(one: TensorView): number {
  const value = new Float64Array(1);
  load(one, one.offset, 1, value);
  return value[0] as number;
}
