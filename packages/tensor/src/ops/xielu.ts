import type { XieluParameters } from "../op-specs.ts";
import { Tensor } from "../tensor.ts";
import { asFlat, backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";

/**
 * xIELU (Huang et al. 2024) with `p = softplus(alphaP)` and `n = beta + softplus(alphaN)`:
 *
 *     x > 0:  p x^2 + beta x
 *     else:   (expm1(min(x, eps)) - x) n + beta x
 *
 * Computed wide and rounded once. Throws `ERR_QKNORM_SHAPE` unless each parameter is one element, `ERR_QKNORM_DTYPE`,
 * `ERR_QKNORM_ARGUMENT` for one that is missing.
 */
export function xielu(x: Tensor, parameters: XieluParameters<Tensor>): Tensor {
  requireTensor(x, "x");
  const { alphaP, alphaN, beta, eps } = (parameters ?? {}) as XieluParameters<Tensor>;
  const read = { alphaP, alphaN, beta, eps };
  for (const [name, parameter] of Object.entries(read)) {
    requireTensor(parameter, name);
    requireShape(parameter.size === 1, `${name} must be one element`, { [name]: parameter });
  }
  const op = opOf(backendOfAll({ x, ...read }), "xielu");
  const out = Tensor.empty(x.shape, x.dtype, x.device);
  if (out.size > 0) op(asFlat(x), asFlat(out), read);
  return out;
}
