import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, engineNumbers } from "./numbers.ts";
import { ParamWriter, type RowsView, requireObject, type VectorView } from "./params.ts";

export interface LinearCall {
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** `[rows, inFeatures]` */
  readonly x: RowsView;
  /** `[outFeatures, inFeatures]`, of any dtype */
  readonly weight: RowsView;
  /** `[outFeatures]`, of any dtype */
  readonly bias: VectorView | null;
  /** `[rows, outFeatures]`, of the dtype of x or f32; shares no memory with the others */
  readonly out: RowsView;
  /**
   * `own`: our kernels; a row's result does not depend on the number of rows. `blas`: OpenBLAS from 16 rows on, if
   * there is one. `auto`, the default: `own` on a processor with AVX2, `blas` elsewhere.
   */
  readonly engine?: "auto" | "own" | "blas";
  readonly isa?: CpuIsa;
}

/**
 * `out = x * weight^T + bias`: sums and bias in f32, rounded once. The bits do not depend on the number of threads.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or
 * range), `ERR_QKNORM_DTYPE` (an array or an output of another dtype), `ERR_QKNORM_LAYOUT` (an array too short or
 * detached, rows that overlap), `ERR_QKNORM_OVERLAP`, `ERR_NATIVE` (no addon).
 */
export function linear(call: LinearCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, weight, bias, out } = call;
  params
    .start()
    .number(call.rows, "rows")
    .number(call.inFeatures, "inFeatures")
    .number(call.outFeatures, "outFeatures")
    .rows(x, "x")
    .rows(weight, "weight");
  if (bias === null) {
    params.choice(dtypeNumbers, "f32", "bias dtype").number(0, "bias offset");
  } else {
    params.vector(bias, "bias");
  }
  params
    .rows(out, "out")
    .choice(engineNumbers, call.engine ?? "auto", "engine")
    .isa(call.isa);
  binding.linear(params.array, x.data, weight.data, bias === null ? null : bias.data, out.data);
}

const params = new ParamWriter(16);

/** The OpenBLAS that was found, and each path that was tried before it with the reason it was passed over. */
export interface BlasInfo {
  readonly library: string | null;
  readonly tried: readonly string[];
}

/**
 * Looks for OpenBLAS on the first call. `QKNORM_OPENBLAS` names the only path to try, `QKNORM_BLAS=off` disables it.
 * Throws `ERR_NATIVE` without the addon.
 */
export function blasInfo(): BlasInfo {
  return requireBinding().blasInfo();
}

/**
 * Threads that a kernel may use: `QKNORM_THREADS`, or as many as the process may run on.
 * Throws `ERR_NATIVE` without the addon.
 */
export function threadCount(): number {
  return requireBinding().threadCount();
}

/**
 * Changes `threadCount()` for the whole process from the next call on; 0 goes back to the default.
 * Throws `ERR_QKNORM_ARGUMENT` unless `count` is an integer from 0 to 256, `ERR_NATIVE` without the addon.
 */
export function setThreadCount(count: number): void {
  requireBinding().setThreadCount(count);
}
