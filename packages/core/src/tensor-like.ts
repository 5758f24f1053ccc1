import { describe } from "./describe.ts";
import { QkNormError, type QkNormErrorCode } from "./errors.ts";
import { format } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";

/**
 * All that `applyQkNorm` asks of a tensor: its shape (`shape` or else `dims`, a property or a method) and, for `[..., H*D]` on
 * the fallback, a reshape to the same number of elements; tensors that come as `[..., H, D]` need none. Typed-array wrappers,
 * MLX arrays, the tensors of ONNX Runtime and those of most other libraries fit as they are.
 */
export type TensorLike<Self> = (
  | { readonly shape: readonly number[] | (() => readonly number[]) }
  | { readonly dims: readonly number[] | (() => readonly number[]) }
) & {
  reshape?(shape: number[]): Self;
};

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

// More than any tensor library allows; a bound, so that a broken shape is an error instead of endless work.
const maxRank = 64;

/**
 * The shape of a structural tensor as a plain array. `what` names the tensor in messages.
 *
 * Throws `ERR_QKNORM_ARGUMENT` when it is no tensor and `ERR_QKNORM_SHAPE` when its shape is not one, or `code` for
 * both when given. What a getter of the tensor throws comes out as it is.
 */
export function shapeOf(tensor: unknown, what: string, code?: QkNormErrorCode): readonly number[] {
  // What is no object becomes one without a shape.
  const holder = Object(tensor) as { shape?: unknown; dims?: unknown };
  const member = holder.shape ?? holder.dims;
  const shape: unknown = typeof member === "function" ? Reflect.apply(member, holder, []) : member;
  const rank: unknown =
    Array.isArray(shape) || ArrayBuffer.isView(shape) ? (shape as Partial<ArrayLike<unknown>>).length : null;
  if (typeof rank !== "number") {
    throw new QkNormError(
      code ?? "ERR_QKNORM_ARGUMENT",
      `${what} must be a tensor with a shape, got ${describe(tensor)}`,
    );
  }
  if (!Number.isSafeInteger(rank) || rank < 0 || rank > maxRank) {
    throw new QkNormError(
      code ?? "ERR_QKNORM_SHAPE",
      `${what} has ${rank} dimensions; at most ${maxRank} can be read`,
    );
  }
  const dims: unknown[] = [];
  for (let i = 0; i < rank; i++) dims.push((shape as ArrayLike<unknown>)[i]);
  if (!dims.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0)) {
    throw new QkNormError(
      code ?? "ERR_QKNORM_SHAPE",
      `${what} has shape [${dims.map(describe).join(", ")}]; every dimension must be an integer >= 0`,
    );
  }
  return dims as number[];
}

/** Throws `code` unless `tensor` is a tensor of exactly this shape. */
export function assertShape(
  tensor: unknown,
  expected: readonly number[],
  what: string,
  code: QkNormErrorCode,
): void {
  const shape = shapeOf(tensor, what, code);
  if (shape.length !== expected.length || shape.some((dim, i) => dim !== expected[i])) {
    throw new QkNormError(code, `${what} must have shape ${format(expected)}, got ${format(shape)}`);
  }
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
