// Tensors `[T, H, D]` as the kernels of attention address them, in bytes.
import type { CudaMemory, HeadStrides } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { memoryOf } from "./memory.ts";

/** Strides of tokens and heads. One that is never walked may be any number: it is 0, so that it costs no alignment. */
export function stridesOf({ shape, strides, dtype }: TensorView): HeadStrides {
  const [tokens, heads] = shape as [number, number];
  const [token, head] = strides as [number, number];
  return { token: tokens > 1 ? token * bytesOf[dtype] : 0, head: heads > 1 ? head * bytesOf[dtype] : 0 };
}

/** Where a tensor starts. */
export function placeOf(x: TensorView): { readonly memory: CudaMemory; readonly offset: number } {
  return { memory: memoryOf(x), offset: x.offset * bytesOf[x.dtype] };
}
