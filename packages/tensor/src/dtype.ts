import { QkNormError } from "@qknorm/core";

/** Element types of a tensor. bf16 and f16 are stored as 16-bit patterns in a `Uint16Array`. */
export type Dtype = "f32" | "bf16" | "f16" | "i32";

/** The memory of a CPU tensor: ordinary V8 memory, so that anything else in the program can read it. */
export type Storage = Float32Array | Uint16Array | Int32Array;

const arrays = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, i32: Int32Array } as const;

/** Zero-filled memory for `length` elements. Throws `ERR_QKNORM_SHAPE` when there is not that much memory. */
export function allocate(dtype: Dtype, length: number): Storage {
  try {
    return new arrays[dtype](length);
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `cannot allocate ${length} elements of ${dtype}`, { cause });
  }
}

/** Throws `ERR_QKNORM_DTYPE` unless `value` names a dtype. */
export function assertDtype(value: unknown): asserts value is Dtype {
  if (typeof value !== "string" || !Object.hasOwn(arrays, value)) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `dtype must be f32, bf16, f16 or i32, got ${String(value)}`);
  }
}

/** Throws `ERR_QKNORM_DTYPE` unless `data` is the kind of typed array that holds `dtype`. */
export function assertStorage(data: unknown, dtype: Dtype): asserts data is Storage {
  if (!(data instanceof arrays[dtype])) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `a tensor of ${dtype} needs a ${arrays[dtype].name}`);
  }
}

/** A dtype of activations and weights. */
export type { FloatDtype } from "@qknorm/core";

/** Throws `ERR_QKNORM_DTYPE` unless the tensor holds floating-point values. */
export function assertFloat(tensor: { readonly dtype: Dtype }, what: string): void {
  if (tensor.dtype === "i32")
    throw new QkNormError("ERR_QKNORM_DTYPE", `${what} must be f32, bf16 or f16, got i32`);
}
