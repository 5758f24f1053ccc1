// A sum and the norm of it, one right after the other, in one launch.
import { isQkNormError, type NormSpec } from "@qknorm/core";
import { type CudaKernels, type CudaStream, cudaAddNorm, loadAddNorm } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { addedNorm } from "./add-normalize.ts";

/** `out = a + b`, dense and of one size. */
export interface JoinableSum {
  readonly kind: "sum";
  readonly a: TensorView;
  readonly b: TensorView;
  readonly out: TensorView;
}

/** `out [T, 1, D] = norm(x [T, 1, D])`, out dense. */
export interface JoinableNorm {
  readonly kind: "norm";
  readonly x: TensorView;
  readonly out: TensorView;
  readonly spec: NormSpec<TensorView>;
}

/** Whether a norm is of all of this sum, over rows that one launch takes. */
export function isNormOf({ out: sum }: JoinableSum, { x, spec }: Pick<JoinableNorm, "x" | "spec">): boolean {
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
  { a, b, out: sum }: JoinableSum,
  { x, out, spec }: JoinableNorm,
): (() => void) | null {
  const [rows, , width] = x.shape as [number, number, number];
  const asRows = (view: TensorView): TensorView => ({ ...view, shape: [rows, width], strides: [width, 1] });
  const call = addedNorm(asRows(a), asRows(b), asRows(sum), asRows(out), spec);
  try {
    cudaAddNorm(kernels, stream, call);
    return null;
  } catch (error) {
    if (!isQkNormError(error) || error.code !== "ERR_QKNORM_SCOPE") throw error;
    return () => loadAddNorm(kernels, call.form);
  }
}
