// A sum and the norm of it, one right after the other, in one launch.
import { isQkNormError, type NormSpec } from "@qknorm/core";
import {
  type CudaAddNorm,
  type CudaKernels,
  type CudaStream,
  cudaAddNorm,
  loadAddNorm,
} from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";

/** `out = a + b`, dense and of one size. */
export interface JoinableSum {
  readonly kind: "sum";
  readonly a: TensorView;
  readonly b: TensorView;
  readonly out: TensorView;
}

/** The norm of the sum in front of it, and what the launch of both is told. */
export interface JoinableNorm {
  readonly kind: "norm of the sum";
  readonly both: CudaAddNorm;
}

/** Whether a norm of `x [T, H, D]` is of all of this sum, over rows that one launch takes. */
export function isNormOf({ out: sum }: JoinableSum, x: TensorView, spec: NormSpec<TensorView>): boolean {
  const [rows, heads, width] = x.shape as [number, number, number];
  const [rowStride, , stride] = x.strides as [number, number, number];
  const dense = (rows === 1 || rowStride === width) && (width === 1 || stride === 1);
  const oneRow = [spec.weight, spec.bias ?? null].every((values) => values === null || values.size === width);
  const same = x.memory === sum.memory && x.offset === sum.offset && x.size === sum.size;
  return heads === 1 && dense && oneRow && same && x.dtype === sum.dtype;
}

/**
 * Queues both with their bits. Null where it did; else nothing is queued, and what it returns loads the kernel that was not there
 * inside a capture.
 */
export function launchSumAndNorm(
  kernels: CudaKernels,
  stream: CudaStream,
  { both }: JoinableNorm,
): (() => void) | null {
  try {
    cudaAddNorm(kernels, stream, both);
    return null;
  } catch (error) {
    if (!isQkNormError(error) || error.code !== "ERR_QKNORM_SCOPE") throw error;
    return () => loadAddNorm(kernels, both.form);
  }
}
