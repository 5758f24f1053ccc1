import type { HeadOrder } from "@qknorm/core";
import { Tensor } from "../tensor.ts";

/** Dense with the tokens first, in whatever order it shows its axes. */
export function emptyLike({ shape, dtype, device }: Tensor, order: HeadOrder): Tensor {
  if (order === "tokens-first") return Tensor.empty(shape, dtype, device);
  const [heads, tokens, headDim] = shape.slice(-3) as [number, number, number];
  return Tensor.empty([...shape.slice(0, -3), tokens, heads, headDim], dtype, device).transpose(-3, -2);
}
