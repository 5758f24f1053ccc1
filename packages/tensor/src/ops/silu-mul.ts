import type { NormRounding } from "@qknorm/core";
import { Tensor } from "../tensor.ts";
import {
  asRows,
  backendOfAll,
  opOf,
  requireRounding,
  requireShape,
  requireTensor,
  withLast,
} from "./checks.ts";

/**
 * SwiGLU's product (Shazeer 2020): `gateUp [..., 2I] -> silu(gate) * up [..., I]`. Rounding `hf` rounds silu(gate) to
 * the dtype before the product, as transformers does.
 *
 * Throws `ERR_QKNORM_SHAPE` for an odd last axis, `ERR_QKNORM_DTYPE` for integers.
 */
export function siluMul(gateUp: Tensor, rounding: NormRounding): Tensor {
  requireTensor(gateUp, "gateUp");
  requireRounding(rounding);
  const last = gateUp.shape.at(-1) ?? 1;
  requireShape(last % 2 === 0, "gateUp must hold gate and up of equal width", { gateUp });
  const width = last / 2;
  const op = opOf(backendOfAll({ gateUp }), "siluMul");
  const out = Tensor.empty(withLast(gateUp.shape, width), gateUp.dtype, gateUp.device);
  if (out.size > 0) op(asRows(gateUp), out.view([out.size / width, width]), rounding);
  return out;
}
