import { QkNormError } from "./errors.ts";
import type { NormSpec } from "./norm-spec.ts";

/**
 * All that `applyQkNorm` asks of a tensor: its shape (a property or a method) and a reshape to the same number of
 * elements. Typed-array wrappers, MLX arrays and the tensors of any other library fit as they are.
 */
export interface TensorLike<Self> {
  readonly shape: readonly number[] | (() => readonly number[]);
  reshape(shape: number[]): Self;
}

/** A norm module: anything with `forward`. One that declares its `spec` can be fused. */
export interface NormModule<T> {
  forward(x: T): T;
  readonly spec?: NormSpec | undefined;
}

/** A norm as a plain function. It may carry a `spec` as well. */
export interface NormFunction<T> {
  (x: T): T;
  readonly spec?: NormSpec | undefined;
}

/** What `applyQkNorm` takes as `qNorm` and `kNorm`. It normalises the last axis of `[..., H, D]`. */
export type NormLike<T> = NormModule<T> | NormFunction<T>;

/** The shape of a structural tensor as a plain array. Throws `ERR_QKNORM_SHAPE` when it has none. */
export function shapeOf(tensor: unknown, side: string): readonly number[] {
  const holder = tensor as { shape?: unknown; reshape?: unknown } | null | undefined;
  if ((typeof holder !== "object" && typeof holder !== "function") || holder === null) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${side} must be a tensor with shape and reshape, got ${describe(tensor)}`,
    );
  }
  const shape: unknown = typeof holder.shape === "function" ? holder.shape() : holder.shape;
  if (!Array.isArray(shape) && !ArrayBuffer.isView(shape)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${side} must be a tensor with a shape, got ${describe(tensor)}`,
    );
  }
  if (typeof holder.reshape !== "function") {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `${side} must be a tensor with a reshape method`);
  }
  const dims = Array.from(shape as ArrayLike<unknown>);
  if (!dims.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${side} has shape [${dims.map(String).join(", ")}]; every dimension must be an integer >= 0`,
    );
  }
  return dims as number[];
}

/** The callable side of a norm. Throws `ERR_QKNORM_NORM` when it is neither a function nor has `forward`. */
export function normForward<T>(norm: NormLike<T>, side: string): (x: T) => T {
  if (typeof (norm as Partial<NormModule<T>> | null | undefined)?.forward === "function") {
    return (x) => (norm as NormModule<T>).forward(x);
  }
  if (typeof norm === "function") return norm;
  throw new QkNormError(
    "ERR_QKNORM_NORM",
    `the ${side} norm must be a function or have a forward method, got ${describe(norm)}`,
  );
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? `an object of ${value.constructor?.name ?? "no class"}` : typeof value;
}
