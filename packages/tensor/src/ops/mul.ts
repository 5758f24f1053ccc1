import { Tensor } from "../tensor.ts";
import { asFlat, backendOfAll, opOf, requireShape, requireTensor } from "./checks.ts";

/** `a * b` of equal shapes and dtypes, rounded once. Throws `ERR_QKNORM_SHAPE` and `ERR_QKNORM_DTYPE` otherwise. */
export function mul(a: Tensor, b: Tensor): Tensor {
  requireTensor(a, "a");
  requireTensor(b, "b", [a.dtype]);
  requireShape(
    a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]),
    "mul needs equal shapes",
    { a, b },
  );
  const op = opOf(backendOfAll({ a, b }), "mul");
  const out = Tensor.empty(a.shape, a.dtype, a.device);
  if (out.size > 0) op(asFlat(a), asFlat(b), asFlat(out));
  return out;
}
