import * as native from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import type { DeltaGates, DeltaSpec } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { arrayOf, dtypeOf, exactly, headsOf } from "./views.ts";

/** `out [T, N, dv]` of a sequence whose state `[N, dk, dv]` is kept in f32. */
export function gatedDeltaRule(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  { a, b, aLog, dtBias }: DeltaGates<TensorView>,
  state: TensorView,
  out: TensorView,
  { scale, rounding }: DeltaSpec,
): void {
  const [tokens, heads, valueDim] = v.shape as [number, number, number];
  const [, keyHeads, keyDim] = k.shape as [number, number, number];
  native.gatedDeltaRule({
    ...{ tokens, keyHeads, heads, keyDim, valueDim, scale, rounding },
    ...{ q: perToken(q), k: perToken(k), v: perToken(v), a: perToken(a), b: perToken(b) },
    ...{ aLog: perHead(aLog), dtBias: perHead(dtBias) },
    state: { data: dataOf(state) as Float32Array, offset: state.offset },
    out: exactly(out),
  });
}

/** `[T, H, D]`, or `[T, H]`. */
function perToken(x: TensorView) {
  return { ...headsOf(x), dtype: dtypeOf(x) };
}

/** `[H]`. */
function perHead(x: TensorView) {
  return { data: arrayOf(x), offset: x.offset, dtype: dtypeOf(x), tokenStride: 0, headStride: 1 };
}
