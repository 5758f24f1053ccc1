import { cudaCausalConv } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { floatDtypeOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** `out [T, C]` of `x [T, C]` after `state [L - 1, C]`, which moves on. */
export function causalConv(
  x: TensorView,
  weight: TensorView,
  bias: TensorView | null,
  state: TensorView,
  out: TensorView,
): void {
  const [tokens, channels] = x.shape as [number, number];
  cudaCausalConv(...queueOf(x), {
    ...{ dtype: floatDtypeOf(x), tokens, channels, taps: weight.shape[1] as number },
    ...{ x: rowsOf(x), state: placeOf(state), y: placeOf(out) },
    weight: { ...placeOf(weight), dtype: floatDtypeOf(weight) },
    bias: bias && { ...placeOf(bias), dtype: floatDtypeOf(bias) },
  });
}
