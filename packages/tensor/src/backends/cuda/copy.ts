import { isQkNormError } from "@qknorm/core";
import { cudaCopy } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { assertFewRuns, countRuns, eachRun } from "../../copy.ts";
import { bytesOf } from "../../dtype.ts";
import { memoryOf } from "./memory.ts";
import { placeOf, queueOf } from "./places.ts";

/**
 * Copies a view into another of the same shape and dtype that shares no bytes with it: in one piece, or by one kernel, or
 * run by run where there is no kernel. Throws `ERR_QKNORM_LAYOUT` when those would be too many.
 */
export function copy(source: TensorView, target: TensorView): void {
  if (countRuns(source, target) > 1 && copyByKernel(source, target)) return;
  assertFewRuns(source, target, target.memory.backend.device);
  const [, stream] = queueOf(target);
  const width = bytesOf[target.dtype];
  eachRun(source, target, (from, to, count) => {
    const range = { fromOffset: from * width, offset: to * width, bytes: count * width };
    memoryOf(target).copyFrom(memoryOf(source), stream, range);
  });
}

function copyByKernel(source: TensorView, target: TensorView): boolean {
  const elementBytes = bytesOf[target.dtype] as 2 | 4;
  const axes = target.shape.map((size, axis) => ({
    size,
    from: (source.strides[axis] as number) * elementBytes,
    to: (target.strides[axis] as number) * elementBytes,
  }));
  const place = (x: TensorView) => ({ ...placeOf(x), offset: x.offset * elementBytes });
  try {
    return cudaCopy(...queueOf(target), { elementBytes, axes, from: place(source), to: place(target) });
  } catch (error) {
    // No compiler, or not compiled yet inside a capture.
    if (isQkNormError(error) && (error.code === "ERR_NVRTC" || error.code === "ERR_QKNORM_SCOPE"))
      return false;
    throw error;
  }
}
