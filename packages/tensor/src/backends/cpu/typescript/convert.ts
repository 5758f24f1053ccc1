import type { TensorView } from "../../../backend.ts";
import { load, store } from "./values.ts";

/** `out = x` in the dtype of `out`, over contiguous tensors of one size, a block at a time. */
export function convert(x: TensorView, out: TensorView): void {
  const block = new Float64Array(Math.min(x.size, 4096));
  for (let start = 0; start < x.size; start += block.length) {
    const count = Math.min(block.length, x.size - start);
    load(x, x.offset + start, count, block);
    store(out, out.offset + start, count, block);
  }
}
