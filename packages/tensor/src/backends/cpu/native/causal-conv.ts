import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { arrayOf, rowsOf, vectorOf } from "./views.ts";

/** `out [T, C]` of `x [T, C]` after `state [L - 1, C]`, which moves on. */
export function causalConv(
  x: TensorView,
  weight: TensorView,
  bias: TensorView | null,
  state: TensorView,
  out: TensorView,
): void {
  const [tokens, channels] = x.shape as [number, number];
  native.causalConv({
    ...{ tokens, channels, taps: weight.shape[1] as number },
    x: rowsOf(x),
    weight: vectorOf(weight),
    bias: bias && vectorOf(bias),
    state: { data: arrayOf(state), offset: state.offset },
    out: { data: arrayOf(out), offset: out.offset },
  });
}
