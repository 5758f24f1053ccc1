import { QkNormError } from "@qknorm/core";
import { cudaGatedDeltaRule } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import type { DeltaGates, DeltaSpec } from "../../op-specs.ts";
import { floatDtypeOf, headsOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** `out [T, N, dv]`, the state overwritten. Throws `ERR_QKNORM_DTYPE` where a pair of operands differs in dtype. */
export function gatedDeltaRule(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  { a, b, aLog, dtBias }: DeltaGates<TensorView>,
  state: TensorView,
  out: TensorView,
  { scale, rounding }: DeltaSpec,
): void {
  requireOneDtype({ q, k, v });
  requireOneDtype({ a, b });
  requireOneDtype({ aLog, dtBias });
  const [tokens, heads, valueDim] = v.shape as [number, number, number];
  const [, keyHeads, keyDim] = k.shape as [number, number, number];
  cudaGatedDeltaRule(...queueOf(v), {
    ...{ dtype: floatDtypeOf(v), gates: floatDtypeOf(a), parameters: floatDtypeOf(aLog), rounding, scale },
    ...{ tokens, heads, group: heads / keyHeads, keyDim, valueDim },
    ...{ q: headsOf(q), k: headsOf(k), v: headsOf(v), a: rowsOf(a), b: rowsOf(b) },
    ...{ aLog: placeOf(aLog), dtBias: placeOf(dtBias), state: placeOf(state), y: placeOf(out) },
  });
}

function requireOneDtype(views: Readonly<Record<string, TensorView>>): void {
  const dtypes = Object.values(views).map(({ dtype }) => dtype);
  if (new Set(dtypes).size === 1) return;
  const names = Object.keys(views).join(", ");
  throw new QkNormError(
    "ERR_QKNORM_DTYPE",
    `${names} must be of one dtype on CUDA, got ${dtypes.join(", ")}`,
  );
}
