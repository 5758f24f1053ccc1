import { assertDtype, type FloatDtype, floatDtypes } from "../dtype.ts";
import type { Indices } from "../indices.ts";
import { Tensor } from "../tensor.ts";
import { asRows, backendOfAll, opOf, requireShape, requireTensor, requireWithin } from "./checks.ts";

/**
 * Rows of `table [V, C]` by `ids` `[T]` as `[T, C]` of `dtype`, each value rounded once.
 *
 * Throws `ERR_QKNORM_ARGUMENT` for an id outside `0..V-1`, `ERR_QKNORM_SHAPE` and `ERR_QKNORM_DTYPE`.
 */
export function gatherRows(table: Tensor, ids: Indices, dtype: FloatDtype): Tensor {
  requireTensor(table, "table");
  assertDtype(dtype, floatDtypes);
  requireShape(table.shape.length === 2, "gatherRows needs table [V, C]", { table });
  requireWithin(ids, table.shape[0] as number, "id");
  const op = opOf(backendOfAll({ table }), "gatherRows");
  const out = Tensor.empty([ids.length, table.shape[1] as number], dtype, table.device);
  if (out.size > 0) op(asRows(table), ids, out);
  return out;
}
