import {
  decodeE4m3,
  decodeF16,
  encodeBf16,
  encodeE4m3,
  encodeF16,
  type FloatDtype,
  roundTo,
} from "@qknorm/core";
import type { TensorView } from "../../../backend.ts";
import type { HostArray } from "../../../dtype.ts";
import { dataOf } from "../memory.ts";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** Copies `count` neighbouring elements into `into`, widened. */
export function load(
  tensor: TensorView,
  start: number,
  count: number,
  into: Float64Array | Float32Array,
): void {
  const data = dataOf(tensor);
  switch (tensor.dtype) {
    case "bf16":
      for (let i = 0; i < count; i++) {
        bits[0] = (data[start + i] as number) << 16;
        into[i] = float[0] as number;
      }
      return;
    case "f16":
      for (let i = 0; i < count; i++) into[i] = decodeF16(data[start + i] as number);
      return;
    case "e4m3":
      for (let i = 0; i < count; i++) into[i] = decodeE4m3(data[start + i] as number);
      return;
    default:
      for (let i = 0; i < count; i++) into[i] = data[start + i] as number;
  }
}

/** Stores `count` values, each rounded once to the tensor's dtype. */
export function store(tensor: TensorView, start: number, count: number, from: Float64Array): void {
  const data: HostArray = dataOf(tensor);
  switch (tensor.dtype) {
    case "bf16":
      for (let i = 0; i < count; i++) data[start + i] = encodeBf16(from[i] as number);
      return;
    case "f16":
      for (let i = 0; i < count; i++) data[start + i] = encodeF16(from[i] as number);
      return;
    case "e4m3":
      for (let i = 0; i < count; i++) data[start + i] = encodeE4m3(from[i] as number);
      return;
    default:
      for (let i = 0; i < count; i++) data[start + i] = from[i] as number;
  }
}

/** The rounding of a tensor's dtype, as a function. */
export function rounder(tensor: TensorView): (value: number) => number {
  const dtype = tensor.dtype as FloatDtype;
  return dtype === "f32" ? Math.fround : (value) => roundTo(dtype, value);
}
