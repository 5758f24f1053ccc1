import { type NormRounding, QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import type { RopeTable } from "../kernels.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../memory.ts";
import type { Tensor } from "../tensor.ts";
import { lastAxisIsDense, requireRounding, requireShape, requireTensor, requireWithin } from "./checks.ts";

/**
 * Rotary position embedding in place: `x [T, H, D]`, the first `2R` values of each head, half-split layout
 * (Su et al. 2021; the layout of GPT-NeoX and Llama). `positions` is i32 `[T]`, within the table.
 *
 * Rounding `hf` rounds the table, both products and their sum to the dtype of x, as transformers does.
 *
 * Throws before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_OVERLAP` when x overlaps itself
 * or another argument, `ERR_QKNORM_ARGUMENT` for a position outside the table.
 */
export function rope(x: Tensor, table: RopeTable, positions: Tensor, rounding: NormRounding): void {
  const { cos, sin } = (table ?? {}) as RopeTable;
  requireTensor(x, "x");
  requireTensor(cos, "cos", ["f32"]);
  requireTensor(sin, "sin", ["f32"]);
  requireTensor(positions, "positions", ["i32"]);
  requireRounding(rounding);
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
  requireShape(positions.shape.length === 1 && positions.shape[0] === x.shape[0], "positions must be [T]", {
    x,
    positions,
  });
  requireWithin(positions, places, "position");
  assertNoSelfOverlap(x, "x");
  for (const [name, other] of Object.entries({ cos, sin, positions })) {
    if (mayShareMemory(x, other)) {
      throw new QkNormError("ERR_QKNORM_OVERLAP", `rope writes x, which shares memory with ${name}`);
    }
  }
  if (x.size > 0 && half > 0) kernels().rope(x, { cos, sin }, positions.toContiguous(), rounding);
}
