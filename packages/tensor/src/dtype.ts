import { decodeBf16, decodeF16, encodeBf16, encodeF16, type FloatDtype, QkNormError } from "@qknorm/core";
import { shown } from "./strides.ts";

/** A dtype of activations and weights. */
export type { FloatDtype } from "@qknorm/core";

/** Element types of a tensor. bf16 and f16 are stored as 16-bit patterns in a `Uint16Array`. */
export type Dtype = FloatDtype | "i32";

/** The memory of a CPU tensor: ordinary V8 memory, so that anything else in the program can read it. */
export type HostArray = Float32Array | Uint16Array | Int32Array;

/** What activations and weights may be. */
export const floatDtypes: readonly FloatDtype[] = ["f32", "bf16", "f16"];

/** Bytes of one element. */
export const bytesOf: Readonly<Record<Dtype, number>> = { f32: 4, bf16: 2, f16: 2, i32: 4 };

const arrays = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, i32: Int32Array } as const;

/** Zero-filled memory for `length` elements. Throws `ERR_QKNORM_SHAPE` when there is not that much memory. */
export function allocate(dtype: Dtype, length: number): HostArray {
  try {
    return new arrays[dtype](length);
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `cannot allocate ${length} elements of ${dtype}`, { cause });
  }
}

/** Throws `ERR_QKNORM_DTYPE` unless `value` names one of the dtypes. */
export function assertDtype(
  value: unknown,
  among: readonly unknown[] = Object.keys(arrays),
): asserts value is Dtype {
  if (!among.includes(value)) {
    const seen = typeof value === "string" ? JSON.stringify(value) : shown(value);
    throw new QkNormError("ERR_QKNORM_DTYPE", `dtype must be ${among.join(" or ")}, got ${seen}`);
  }
}

/** Throws `ERR_QKNORM_DTYPE` unless `data` is the kind of typed array that holds `dtype`. */
export function assertArray(data: unknown, dtype: Dtype): asserts data is HostArray {
  if (!(ArrayBuffer.isView(data) && data instanceof arrays[dtype])) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `a tensor of ${dtype} needs a ${arrays[dtype].name}`);
  }
}

/**
 * The elements that hold these numbers, each rounded once. Throws `ERR_QKNORM_ARGUMENT` for values that are no numbers,
 * and for numbers that i32 does not hold exactly; `ERR_QKNORM_SHAPE` as `allocate` does.
 */
export function encodeNumbers(dtype: Dtype, values: ArrayLike<number>): HostArray {
  const count: unknown = typeof values === "object" ? values?.length : null;
  if (!Number.isSafeInteger(count) || (count as number) < 0) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `values must be an array of numbers, got ${shown(values)}`);
  }
  const data = allocate(dtype, count as number);
  for (let i = 0; i < data.length; i++) data[i] = encodeNumber(dtype, values[i]);
  return data;
}

function encodeNumber(dtype: Dtype, value: unknown): number {
  if (typeof value !== "number" || (dtype === "i32" && (value | 0) !== value)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `not a number that ${dtype} holds: ${shown(value)}`);
  }
  return dtype === "bf16" ? encodeBf16(value) : dtype === "f16" ? encodeF16(value) : value;
}

/** What gives the number of an element. */
export function decoder(dtype: Dtype): (element: number) => number {
  return dtype === "bf16" ? decodeBf16 : dtype === "f16" ? decodeF16 : (element) => element;
}
