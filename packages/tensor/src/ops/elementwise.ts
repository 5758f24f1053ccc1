import { type NormRounding, QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import { Tensor } from "../tensor.ts";
import { asRows, requireShape, requireTensor, withLast } from "./checks.ts";

/**
 * SwiGLU's product (Shazeer 2020): `gateUp [..., 2I] -> silu(gate) * up [..., I]`. Rounding `hf` rounds silu(gate) to
 * the dtype before the product, as transformers does.
 */
export function siluMul(gateUp: Tensor, rounding: NormRounding): Tensor {
  requireTensor(gateUp, "gateUp", ["f32", "bf16", "f16"]);
  const last = gateUp.shape.at(-1) ?? 1;
  requireShape(last % 2 === 0, "gateUp must hold gate and up of equal width", { gateUp });
  const width = last / 2;
  const out = Tensor.zeros(withLast(gateUp.shape, width), gateUp.dtype);
  if (out.size > 0) kernels().siluMul(asRows(gateUp), out.view([out.size / width, width]), rounding);
  return out;
}

/** `a + b` of equal shapes and dtypes, rounded once. */
export function add(a: Tensor, b: Tensor): Tensor {
  requireTensor(a, "a", ["f32", "bf16", "f16"]);
  requireTensor(b, "b", [a.dtype]);
  requireShape(
    a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i]),
    "add needs equal shapes",
    { a, b },
  );
  const out = Tensor.zeros(a.shape, a.dtype);
  if (out.size > 0) kernels().add(a.toContiguous(), b.toContiguous(), out);
  return out;
}

/** Rows of `table [V, C]` by `ids` i32 `[T]` as `[T, C]` of `dtype`. Throws `ERR_QKNORM_ARGUMENT` for an id outside. */
export function gatherRows(table: Tensor, ids: Tensor, dtype: "f32" | "bf16" | "f16"): Tensor {
  requireTensor(table, "table", ["f32", "bf16", "f16"]);
  requireTensor(ids, "ids", ["i32"]);
  requireShape(
    table.shape.length === 2 && ids.shape.length === 1,
    "gatherRows needs table [V, C] and ids [T]",
    { table, ids },
  );
  const dense = ids.toContiguous();
  for (let i = 0; i < dense.size; i++) {
    const id = dense.data[dense.offset + i] as number;
    if (id < 0 || id >= (table.shape[0] as number)) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `id ${id} is outside the table of ${table.shape[0]} rows`);
    }
  }
  const out = Tensor.zeros([dense.size, table.shape[1] as number], dtype);
  if (out.size > 0) kernels().gatherRows(asRows(table), dense, out);
  return out;
}

/** The same values in another float dtype, each rounded once; x itself if it has that dtype already. */
export function convert(x: Tensor, dtype: "f32" | "bf16" | "f16"): Tensor {
  requireTensor(x, "x", ["f32", "bf16", "f16"]);
  if (x.dtype === dtype) return x;
  const out = Tensor.zeros(x.shape, dtype);
  if (out.size > 0) kernels().convert(x.toContiguous(), out);
  return out;
}
