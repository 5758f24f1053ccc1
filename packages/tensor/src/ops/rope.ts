import { type NormRounding, QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import type { RopeTable } from "../kernels.ts";
import type { Tensor } from "../tensor.ts";
import { requireShape, requireTensor } from "./checks.ts";

/**
 * Rotary position embedding in place: `x [T, H, D]`, the first `2R` values of each head, half-split layout
 * (Su et al. 2021; the layout of GPT-NeoX and Llama). `positions` is i32 `[T]`, within the table.
 *
 * Rounding `hf` rounds the table, both products and their sum to the dtype of x, as transformers does.
 */
export function rope(x: Tensor, table: RopeTable, positions: Tensor, rounding: NormRounding): void {
  requireTensor(x, "x", ["f32", "bf16", "f16"]);
  requireTensor(table.cos, "cos", ["f32"]);
  requireTensor(table.sin, "sin", ["f32"]);
  requireTensor(positions, "positions", ["i32"]);
  const { cos, sin } = table;
  const half = cos.shape[1] ?? 0;
  requireShape(x.shape.length === 3 && x.strides[2] === 1, "rope needs x [T, H, D] with a dense last axis", {
    x,
  });
  requireShape(
    cos.shape.length === 2 &&
      cos.contiguous &&
      sin.contiguous &&
      sin.shape[0] === cos.shape[0] &&
      sin.shape[1] === half,
    "rope needs cos and sin [P, R]",
    { cos, sin },
  );
  requireShape(2 * half <= (x.shape[2] as number), "rope rotates at most D values", { x, cos });
  requireShape(positions.shape.length === 1 && positions.shape[0] === x.shape[0], "positions must be [T]", {
    x,
    positions,
  });
  const dense = positions.toContiguous();
  for (let token = 0; token < dense.size; token++) {
    const position = dense.data[dense.offset + token] as number;
    if (position < 0 || position >= (cos.shape[0] as number)) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `position ${position} is outside the rope table of ${cos.shape[0]} positions`,
      );
    }
  }
  if (x.size > 0 && half > 0) kernels().rope(x, table, dense, rounding);
}
