import type { NormRounding } from "@qknorm/core";
import { cudaRope } from "@qknorm/native/cuda";
import type { IndexView, TensorView } from "../../backend.ts";
import type { RopeTable } from "../../op-specs.ts";
import { floatDtypeOf, headsOf, placeOf, queueOf } from "./places.ts";

/** Rotates `x [T, H, D]` in place. */
export function rope(
  x: TensorView,
  { cos, sin, layout = "halves" }: RopeTable<TensorView>,
  positions: IndexView,
  rounding: NormRounding,
): void {
  const [tokens, heads] = x.shape as [number, number];
  const [tableRows, half] = cos.shape as [number, number];
  cudaRope(...queueOf(x), {
    ...{ dtype: floatDtypeOf(x), layout, rounding, tokens, heads, half, tableRows },
    ...{ x: headsOf(x), cos: placeOf(cos), sin: placeOf(sin) },
    positions: placeOf(positions.on(x.memory.backend)),
  });
}
