import type { FloatDtype } from "@qknorm/core";
import type { HeadsView, NativeArray, RowsView, VectorView } from "@qknorm/native/cpu";
import type { TensorView } from "../../../backend.ts";
import { dataOf } from "../memory.ts";

// Tensors as the addon takes them.

/** `[rows, width]`. */
export function rowsOf(x: TensorView): RowsView {
  return { data: arrayOf(x), dtype: dtypeOf(x), offset: x.offset, rowStride: x.strides[0] as number };
}

/** `[n]`, dense. */
export function vectorOf(x: TensorView): VectorView {
  return { data: arrayOf(x), dtype: dtypeOf(x), offset: x.offset };
}

/** `[tokens, heads, headDim]`. */
export function headsOf(x: TensorView): HeadsView {
  const [tokenStride, headStride] = x.strides as [number, number];
  return { data: arrayOf(x), offset: x.offset, tokenStride, headStride };
}

/** The memory that a tensor lies in. */
export function arrayOf(x: TensorView): NativeArray {
  return dataOf(x) as NativeArray;
}

/** The memory of a contiguous tensor, from its first element to its last. */
export function exactly(x: TensorView): NativeArray {
  const data = arrayOf(x);
  const { offset, size } = x;
  const { resizable = false, byteLength } = data.buffer as ArrayBuffer & { readonly resizable?: boolean };
  const whole = offset === 0 && data.length === size;
  // An array that follows the length of its buffer would stop to fit when that grows. Optimised code of V8 may still
  // show the length of an array that was detached; the addon tells, and says so.
  return (whole && !resizable) || byteLength === 0 ? data : data.subarray(offset, offset + size);
}

export function dtypeOf(x: TensorView): FloatDtype {
  return x.dtype as FloatDtype;
}
