import { type NormSpec, QkNormError } from "@qknorm/core";
import { alignmentOf, type CudaAddNorm, cudaAddNorm } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { bytesOf } from "../../dtype.ts";
import { formOf, readAffine } from "./norm-side.ts";
import { placeOf, queueOf, rowsOf } from "./places.ts";

/**
 * `sum [T, C] = x + residual` and `out [T, C] = norm(sum)`.
 * Throws `ERR_QKNORM_DTYPE` and `ERR_QKNORM_LAYOUT` for weights that no kernel takes as they lie.
 */
export function addNormalize(
  x: TensorView,
  residual: TensorView,
  sum: TensorView,
  out: TensorView,
  spec: NormSpec<TensorView>,
): void {
  cudaAddNorm(...queueOf(x), addedNorm(x, residual, sum, out, spec));
}

/** What its launch is told. Throws as `addNormalize` does. */
export function addedNorm(
  x: TensorView,
  residual: TensorView,
  sum: TensorView,
  out: TensorView,
  spec: NormSpec<TensorView>,
): CudaAddNorm {
  const [rows, headDim] = x.shape as [number, number];
  const affine = readAffine(spec, 1, headDim, "the norm's");
  if ("code" in affine) {
    const code = affine.code === "weight-dtype" ? "ERR_QKNORM_DTYPE" : "ERR_QKNORM_LAYOUT";
    throw new QkNormError(code, affine.detail);
  }
  const sides = { x: rowsOf(x), residual: rowsOf(residual), sum: rowsOf(sum), y: rowsOf(out) };
  const places = Object.values(sides).flatMap(({ offset, rowStride }) => [offset, rowStride]);
  const norm = { x, heads: 1, headDim, tokenStride: 0, headStride: 0, out: { offset: 0 }, spec, affine };
  const form = { ...formOf(norm), alignment: alignmentOf(...places.map((at) => at * bytesOf[x.dtype])) };
  const { weight, bias } = affine;
  return {
    ...{ form, eps: spec.eps, rows, ...sides },
    ...{ weight: weight && placeOf(weight), bias: bias && placeOf(bias) },
  };
}
