import { Tensor } from "../tensor.ts";
import { asRows, backendOfAll, opOf, requireShape, requireTensor, withLast } from "./checks.ts";

/**
 * `x [..., K] * weight [N, K]^T + bias [N] -> [..., N]`, accumulated in f32 or wider, rounded once to the dtype of x.
 * The weight's dtype is independent of x's.
 *
 * Throws `ERR_QKNORM_SHAPE` when the sizes do not fit, `ERR_QKNORM_DTYPE` for integer tensors, `ERR_QKNORM_DEVICE` for
 * tensors of two devices.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  requireTensor(x, "x");
  requireTensor(weight, "weight");
  requireShape(
    weight.shape.length === 2 && x.shape.length >= 1 && x.shape.at(-1) === weight.shape[1],
    "linear needs x [..., K] and weight [N, K]",
    { x, weight },
  );
  if (bias !== null) {
    requireTensor(bias, "bias");
    requireShape(bias.shape.length === 1 && bias.shape[0] === weight.shape[0], "bias must be [N]", {
      weight,
      bias,
    });
  }
  const outputs = weight.shape[0] as number;
  const op = opOf(backendOfAll({ x, weight, bias }), "linear");
  const out = Tensor.empty(withLast(x.shape, outputs), x.dtype, x.device);
  if (out.size > 0) {
    op(asRows(x), asRows(weight), bias?.toContiguous() ?? null, out.view([out.size / outputs, outputs]));
  }
  return out;
}
