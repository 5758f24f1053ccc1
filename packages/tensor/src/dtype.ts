import {
  decodeBf16,
  decodeE4m3,
  decodeF16,
  encodeBf16,
  encodeE4m3,
  encodeF16,
  type FloatDtype,
  QkNormError,
} from "@qknorm/core";
import { shown } from "./strides.ts";

/** A dtype of activations and weights. */
export type { FloatDtype } from "@qknorm/core";

/**
 * Element types of a tensor. bf16 and f16 are stored as 16-bit patterns in a `Uint16Array`, e4m3 (OCP) as 8-bit patterns
 * in a `Uint8Array`.
 */
export type Dtype = FloatDtype | "i32" | "e4m3";

/** What a cache of keys and values may hold. */
export type CacheDtype = FloatDtype | "e4m3";

/** The memory of a CPU tensor: ordinary V8 memory, so that anything else in the program can read it. */
export type HostArray = Float32Array | Uint16Array | Int32Array | Uint8Array;

/** What activations and weights may be. */
export const floatDtypes: readonly FloatDtype[] = ["f32", "bf16", "f16"];

export const cacheDtypes: readonly CacheDtype[] = [...floatDtypes, "e4m3"];

/** Bytes of one element. */
export const bytesOf: Readonly<Record<Dtype, number>> = { f32: 4, bf16: 2, f16: 2, i32: 4, e4m3: 1 };

const arrays = {
  f32: Float32Array,
  bf16: Uint16Array,
  f16: Uint16Array,
  i32: Int32Array,
  e4m3: Uint8Array,
} as const;

/** Zero-filled memory for `length` elements. Throws `ERR_QKNORM_SHAPE` when there is not that much memory. */
export function allocate(dtype: Dtype, length: number): HostArray {
  try {
    return new arrays[dtype](length);
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `cannot allocate ${length} elements of ${dtype}`, { cause });
  }
}

export const dtypes = Object.keys(arrays) as readonly Dtype[];

/** Throws `ERR_QKNORM_DTYPE` unless `value` names one of the dtypes. */
export function assertDtype(value: unknown, among: readonly unknown[] = dtypes): asserts value is Dtype {
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
  switch (dtype) {
    case "bf16":
      return encodeBf16(value);
    case "f16":
      return encodeF16(value);
    case "e4m3":
      return encodeE4m3(value);
    default:
      return value;
  }
}

/** What gives the number of an element. */
export function decoder(dtype: Dtype): (element: number) => number {
  return decoders[dtype];
}

const same = (element: number): number => element;
const decoders = { f32: same, i32: same, bf16: decodeBf16, f16: decodeF16, e4m3: decodeE4m3 } as const;
