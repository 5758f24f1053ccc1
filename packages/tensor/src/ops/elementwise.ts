import type { NormRounding } from "@qknorm/core";
import { kernels } from "../backend.ts";
import { assertDtype, type FloatDtype, floatDtypes } from "../dtype.ts";
import { Tensor } from "../tensor.ts";
import {
  asFlat,
  asRows,
  requireRounding,
  requireShape,
  requireTensor,
  requireWithin,
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
  const out = Tensor.zeros(withLast(gateUp.shape, width), gateUp.dtype);
  if (out.size > 0) kernels().siluMul(asRows(gateUp), out.view([out.size / width, width]), rounding);
  return out;
}

/** `a + b` of equal shapes and dtypes, rounded once. Throws `ERR_QKNORM_SHAPE` and `ERR_QKNORM_DTYPE` otherwise. */
export function add(a: Tensor, b: Tensor): Tensor {
  requireTensor(a, "a");
  requireTensor(b, "b", [a.dtype]);
  requireShape(
    a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]),
    "add needs equal shapes",
    { a, b },
  );
  const out = Tensor.zeros(a.shape, a.dtype);
  if (out.size > 0) kernels().add(asFlat(a), asFlat(b), asFlat(out));
  return out;
}

/**
 * Rows of `table [V, C]` by `ids` i32 `[T]` as `[T, C]` of `dtype`, each value rounded once.
 *
 * Throws `ERR_QKNORM_ARGUMENT` for an id outside `0..V-1`, `ERR_QKNORM_SHAPE` and `ERR_QKNORM_DTYPE`.
 */
export function gatherRows(table: Tensor, ids: Tensor, dtype: FloatDtype): Tensor {
  requireTensor(table, "table");
  requireTensor(ids, "ids", ["i32"]);
  assertDtype(dtype, floatDtypes);
  requireShape(
    table.shape.length === 2 && ids.shape.length === 1,
    "gatherRows needs table [V, C] and ids [T]",
    { table, ids },
  );
  requireWithin(ids, table.shape[0] as number, "id");
  const out = Tensor.zeros([ids.size, table.shape[1] as number], dtype);
  if (out.size > 0) kernels().gatherRows(asRows(table), ids.toContiguous(), out);
  return out;
}

/** The same values in another float dtype, each rounded once; x itself if it has that dtype already. */
export function convert(x: Tensor, dtype: FloatDtype): Tensor {
  requireTensor(x, "x");
  assertDtype(dtype, floatDtypes);
  if (x.dtype === dtype) return x;
  const out = Tensor.zeros(x.shape, dtype);
  if (out.size > 0) kernels().convert(asFlat(x), asFlat(out));
  return out;
}
