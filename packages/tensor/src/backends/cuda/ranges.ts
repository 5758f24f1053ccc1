import type { ByteRange } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { memoryOf } from "./memory.ts";

/** The byte of its memory where a view starts. */
export function startOf(x: TensorView): number {
  return x.offset * bytesOf[x.dtype];
}

/** Bytes between the rows of `[R, C]`; of one row, what a dense tensor has: a stride that is not walked costs no alignment. */
export function rowBytes({ shape, strides, dtype }: TensorView): number {
  const [rows, columns] = shape as [number, number];
  return (rows === 1 ? columns : (strides[0] as number)) * bytesOf[dtype];
}

/** All that lies between the first and the last element of a view. */
export function rangeOf(x: TensorView): ByteRange {
  const last = x.shape.reduce((sum, dim, axis) => sum + (dim - 1) * (x.strides[axis] as number), 0);
  return { memory: memoryOf(x), offset: startOf(x), length: (last + 1) * bytesOf[x.dtype] };
}
