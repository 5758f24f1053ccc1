import type { TensorView } from "../../../backend.ts";
import { load, store } from "./values.ts";

/** `out = a * b` over contiguous tensors of one size. */
export function mul(a: TensorView, b: TensorView, out: TensorView): void {
  const left = new Float64Array(a.size);
  const right = new Float64Array(b.size);
  load(a, a.offset, a.size, left);
  load(b, b.offset, b.size, right);
  for (let i = 0; i < left.length; i++) left[i] = (left[i] as number) * (right[i] as number);
  store(out, out.offset, out.size, left);
}
