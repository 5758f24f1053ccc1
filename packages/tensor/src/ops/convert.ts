import { assertDtype, type FloatDtype, floatDtypes } from "../dtype.ts";
import { Tensor } from "../tensor.ts";
import { asFlat, backendOfAll, opOf, requireTensor } from "./checks.ts";

/** The same values in another float dtype, each rounded once; x itself if it has that dtype already. */
export function convert(x: Tensor, dtype: FloatDtype): Tensor {
  requireTensor(x, "x");
  assertDtype(dtype, floatDtypes);
  if (x.dtype === dtype) return x;
  const op = opOf(backendOfAll({ x }), "convert");
  const out = Tensor.empty(x.shape, dtype, x.device);
  if (out.size > 0) op(asFlat(x), asFlat(out));
  return out;
}
