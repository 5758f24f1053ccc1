import { type CudaElementwise, type CudaStream, cudaElementwise } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { ordinalOfMemory } from "./memory.ts";
import { floatDtypeOf, placeOf } from "./places.ts";

/** `y [N] = f(x [N])`, or of x and another, all dense; queued on the current stream. */
export function elementwise(
  f: CudaElementwise["f"],
  x: TensorView,
  other: TensorView,
  y: TensorView,
  number = 0,
): void {
  elementwiseOn(cudaStream(ordinalOfMemory(y)), f, x, other, y, number);
}

/** `elementwise`, queued on that stream. */
export function elementwiseOn(
  stream: CudaStream,
  f: CudaElementwise["f"],
  x: TensorView,
  other: TensorView,
  y: TensorView,
  number = 0,
): void {
  const operands = { x: placeOf(x), other: placeOf(other), y: placeOf(y) };
  const dtypes = { from: floatDtypeOf(x), to: floatDtypeOf(y) };
  cudaElementwise(cudaKernels(ordinalOfMemory(y)), stream, {
    f,
    ...dtypes,
    count: y.size,
    ...operands,
    number,
  });
}
