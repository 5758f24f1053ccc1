import { assertNormSpec, type NormSpec } from "@qknorm/core";
import { Tensor } from "../tensor.ts";
import { add } from "./add.ts";
import { asRows, backendOfAll, checkAffine, requireShape, requireTensor } from "./checks.ts";
import { normalize } from "./normalize.ts";

/**
 * `x + residual`, and the norm of that sum over its last axis: `[sum, norm(sum)]`, with the bits of `add` and `normalize`,
 * which it is composed of where a backend has no kernel for both.
 *
 * @throws QkNormError what `add` and `normalize` do
 */
export function addNormalize(x: Tensor, residual: Tensor, spec: NormSpec<Tensor>): [Tensor, Tensor] {
  requireTensor(x, "x");
  requireTensor(residual, "residual", [x.dtype]);
  assertNormSpec(spec, "given");
  requireShape(
    x.shape.length > 0 && x.shape.join() === residual.shape.join(),
    "addNormalize needs equal shapes of at least one dimension",
    { x, residual },
  );
  const last = x.shape.at(-1) as number;
  const affine = { "the norm's weight": spec.weight, "the norm's bias": spec.bias ?? null };
  for (const [name, values] of Object.entries(affine)) if (values !== null) requireTensor(values, name);
  const op = backendOfAll({ x, residual, ...affine }).ops.addNormalize;
  const oneRow = [spec.weight, spec.bias ?? null].every((values) => values === null || values.size === last);
  if (op === undefined || !oneRow || x.size === 0) {
    const sum = add(x, residual);
    try {
      return [sum, normalize(sum, spec)];
    } catch (error) {
      sum.dispose();
      throw error;
    }
  }
  checkAffine(spec, last, 1, "the");
  const [sum, out] = [Tensor.empty(x.shape, x.dtype, x.device), Tensor.empty(x.shape, x.dtype, x.device)];
  op(asRows(x), asRows(residual), asRows(sum), asRows(out), spec);
  return [sum, out];
}
