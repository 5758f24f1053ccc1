import { type CudaElementwise, cudaElementwise } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { floatDtypeOf, placeOf, queueOf } from "./places.ts";

/** `y [N] = f(x [N])`, or of x and another, all dense; queued on the current stream. */
export function elementwise(
  f: CudaElementwise["f"],
  x: TensorView,
  other: TensorView,
  y: TensorView,
  number = 0,
): void {
  const operands = { x: placeOf(x), other: placeOf(other), y: placeOf(y) };
  const dtypes = { from: floatDtypeOf(x), to: floatDtypeOf(y) };
  cudaElementwise(...queueOf(y), { f, ...dtypes, count: y.size, ...operands, number });
}
