import * as fc from "fast-check";
import { type FloatDtype, Tensor } from "../src/index.ts";
import { normal } from "./random-values.ts";

export const dtypes = fc.constantFrom<FloatDtype>("f32", "bf16", "f16");
export const roundings = fc.constantFrom<"once" | "hf">("once", "hf");
/** Those of one test's tensors are this one and the next few. */
export const seeds = fc.integer({ min: 1, max: 2 ** 30 });

/** A dense tensor of normal numbers, the same for the same seed. */
export function random(seed: number, shape: readonly number[], dtype: FloatDtype = "f32"): Tensor {
  return Tensor.from(normal(seed, sizeOf(shape)), shape, dtype);
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}
