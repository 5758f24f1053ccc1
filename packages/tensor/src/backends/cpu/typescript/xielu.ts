import type { TensorView } from "../../../backend.ts";
import type { XieluParameters } from "../../../op-specs.ts";
import { softplus } from "./pointwise.ts";
import { load, store } from "./values.ts";

/** `out = xIELU(x)` over contiguous tensors of one size. */
export function xielu(x: TensorView, out: TensorView, parameters: XieluParameters<TensorView>): void {
  const [alphaP, alphaN, beta, eps] = (["alphaP", "alphaN", "beta", "eps"] as const).map((name) => {
    const one = new Float64Array(1);
    load(parameters[name], parameters[name].offset, 1, one);
    return one[0] as number;
  }) as [number, number, number, number];
  const [above, below] = [softplus(alphaP), beta + softplus(alphaN)];
  const values = new Float64Array(x.size);
  load(x, x.offset, x.size, values);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    const bent = value > 0 ? above * value * value : (Math.expm1(Math.min(value, eps)) - value) * below;
    values[i] = bent + beta * value;
  }
  store(out, out.offset, out.size, values);
}
