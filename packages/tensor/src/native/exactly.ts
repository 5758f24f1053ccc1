import type { NativeArray } from "@qknorm/native";
import type { Tensor } from "../tensor.ts";

/** The memory of a contiguous tensor, from its first element to its last. */
export function exactly(tensor: Tensor): NativeArray {
  const { data, offset, size } = tensor;
  const whole = offset === 0 && data.length === size;
  return (whole ? data : data.subarray(offset, offset + size)) as NativeArray;
}
