// Tensors as kernels address them.
import type { FloatDtype } from "@qknorm/core";
import type { CudaHeads, CudaKernels, CudaPlace, CudaRows, CudaStream } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { memoryOf, ordinalOfMemory } from "./memory.ts";

/** The kernels of the device of a tensor, and the stream that its work goes to. */
export function queueOf(x: TensorView): readonly [CudaKernels, CudaStream] {
  const ordinal = ordinalOfMemory(x);
  return [cudaKernels(ordinal), cudaStream(ordinal)];
}

export function placeOf(x: TensorView): CudaPlace {
  return { memory: memoryOf(x), offset: x.offset };
}

/** `[rows, width]`. A stride that is never walked may be any number: it must not cost alignment. */
export function rowsOf(x: TensorView): CudaRows {
  const rowStride = (x.shape[0] as number) > 1 ? (x.strides[0] as number) : 0;
  return { memory: memoryOf(x), offset: x.offset, rowStride };
}

/** `[tokens, heads, width]`. */
export function headsOf(x: TensorView): CudaHeads {
  const headStride = (x.shape[1] as number) > 1 ? (x.strides[1] as number) : 0;
  const { rowStride: tokenStride, ...place } = rowsOf(x);
  return { ...place, tokenStride, headStride };
}

export function floatDtypeOf(x: TensorView): FloatDtype {
  return x.dtype as FloatDtype;
}
