import type { NormRounding } from "@qknorm/core";
import * as native from "@qknorm/native/cpu";
import type { IndexView, TensorView } from "../../../backend.ts";
import type { RopeTable } from "../../../op-specs.ts";
import { dataOf, hostIndices } from "../memory.ts";
import { dtypeOf, headsOf } from "./views.ts";

/** Rotates `x [T, H, D]` in place. */
export function rope(
  x: TensorView,
  { cos, sin, layout = "halves" }: RopeTable<TensorView>,
  positions: IndexView,
  rounding: NormRounding,
): void {
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  native.rope({
    dtype: dtypeOf(x),
    tokens,
    heads,
    headDim,
    rotaryDim: 2 * (cos.shape[1] as number),
    x: headsOf(x),
    cos: dataOf(cos) as Float32Array,
    cosOffset: cos.offset,
    sin: dataOf(sin) as Float32Array,
    sinOffset: sin.offset,
    layout,
    tableRows: cos.shape[0] as number,
    positions: hostIndices(positions),
    positionsOffset: 0,
    rounding,
  });
}
