import { formatShape, type NormRounding, QkNormError } from "@qknorm/core";
import type { Indices } from "../indices.ts";
import type { RopeTable } from "../op-specs.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import { lastAxisIsDense, shown } from "../strides.ts";
import type { Tensor } from "../tensor.ts";
import { backendOfAll, opOf, requireRounding, requireShape, requireTensor, requireWithin } from "./checks.ts";

/**
 * Rotary position embedding in place: `x [T, H, D]`, the first `2R` values of each head, in halves
 * (Su et al. 2021; the layout of GPT-NeoX and Llama) or interleaved, as the table says. `positions` `[T]` lie within the table.
 *
 * Rounding `hf` rounds the table, both products and their sum to the dtype of x, as transformers does.
 *
 * Throws before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_OVERLAP` when x overlaps itself
 * or another argument, `ERR_QKNORM_ARGUMENT` for a position outside the table.
 */
export function rope(x: Tensor, table: RopeTable<Tensor>, positions: Indices, rounding: NormRounding): void {
  const { cos, sin, layout = "halves" } = (table ?? {}) as RopeTable<Tensor>;
  requireTensor(x, "x");
  requireTensor(cos, "cos", ["f32"]);
  requireTensor(sin, "sin", ["f32"]);
  requireRounding(rounding);
  if (layout !== "halves" && layout !== "interleaved") {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `rope's layout must be halves or interleaved, got ${shown(layout)}`,
    );
  }
  const [places, half] = cos.shape as [number, number];
  requireShape(x.shape.length === 3 && lastAxisIsDense(x), "rope needs x [T, H, D] with a dense last axis", {
    x,
  });
  requireShape(
    cos.shape.length === 2 &&
      sin.shape.length === 2 &&
      cos.contiguous &&
      sin.contiguous &&
      sin.shape[0] === places &&
      sin.shape[1] === half,
    "rope needs contiguous cos and sin [P, R]",
    { cos, sin },
  );
  requireShape(2 * half <= (x.shape[2] as number), "rope rotates at most D values", { x, cos });
  requireWithin(positions, places, "position");
  if (positions.length !== x.shape[0]) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `positions must be one a token: ${positions.length} for x ${formatShape(x.shape)}`,
    );
  }
  const op = opOf(backendOfAll({ x, cos, sin }), "rope");
  assertNoSelfOverlap(x, "x");
  for (const [name, other] of Object.entries({ cos, sin })) {
    if (mayShareMemory(x, other)) {
      throw new QkNormError("ERR_QKNORM_OVERLAP", `rope writes x, which shares memory with ${name}`);
    }
  }
  if (x.size > 0 && half > 0) op(x, { cos, sin, layout }, positions, rounding);
}
