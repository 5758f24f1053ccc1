import { describe } from "./describe.ts";

/**
 * Every code a public function of this project can throw. Codes are stable; messages may change.
 *
 * - `ERR_QKNORM_SHAPE`: shapes, head dims or lengths that do not fit together
 * - `ERR_QKNORM_DTYPE`: a dtype that the call cannot take, or two that must agree and do not
 * - `ERR_QKNORM_DEVICE`: tensors of different devices, or of a device that is not there
 * - `ERR_QKNORM_LAYOUT`: strides or memory that cannot be addressed as asked
 * - `ERR_QKNORM_OVERLAP`: q and k (or an input and an output) share memory that one of them writes
 * - `ERR_QKNORM_NORM`: a norm or a spec that is not one
 * - `ERR_QKNORM_ARGUMENT`: any other argument of the wrong type or range
 * - `ERR_QKNORM_PROVIDER`: a fused provider that breaks its contract
 * - `ERR_QKNORM_SCOPE`: `withStream`, `capture` or a tensor scope used out of order
 * - `ERR_CHECKPOINT`: a checkpoint folder or file that is missing, corrupted or of an unknown family
 * - `ERR_GENERATION`: a prompt or a sampling option that cannot be run
 * - `ERR_NATIVE`: the native addon is missing, or failed
 * - `ERR_CUDA`: the CUDA driver is missing, too old or out of memory, or a call of it failed
 * - `ERR_NVRTC`: NVRTC is missing, or refused a kernel
 */
export type QkNormErrorCode = (typeof codes)[number];

const codes = [
  "ERR_QKNORM_SHAPE",
  "ERR_QKNORM_DTYPE",
  "ERR_QKNORM_DEVICE",
  "ERR_QKNORM_LAYOUT",
  "ERR_QKNORM_OVERLAP",
  "ERR_QKNORM_NORM",
  "ERR_QKNORM_ARGUMENT",
  "ERR_QKNORM_PROVIDER",
  "ERR_QKNORM_SCOPE",
  "ERR_CHECKPOINT",
  "ERR_GENERATION",
  "ERR_NATIVE",
  "ERR_CUDA",
  "ERR_NVRTC",
] as const;

/** The one error class of the project: a stable `code`, a message that names the shapes and what to do, and the `cause`. */
export class QkNormError extends Error {
  readonly code: QkNormErrorCode;

  constructor(code: QkNormErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QkNormError";
    this.code = code;
  }
}

/** An `ERR_QKNORM_ARGUMENT` for what must be something else. `what`: "headDim must be a positive integer". */
export function wrongArgument(what: string, got: unknown): QkNormError {
  return new QkNormError("ERR_QKNORM_ARGUMENT", `${what}, got ${describe(got)}`);
}

/**
 * Whether a value is an error of this project: told by its code, not by its class, since another copy of the package and
 * the native addon throw errors of their own classes.
 */
export function isQkNormError(value: unknown): value is QkNormError {
  return value instanceof Error && (codes as readonly unknown[]).includes((value as { code?: unknown }).code);
}
