import type { IndexView, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { load, store } from "./values.ts";

/** `out [T, C] = table[ids]`. */
export function gatherRows(table: TensorView, ids: IndexView, out: TensorView): void {
  const [tokens, width] = out.shape as [number, number];
  const values = hostIndices(ids);
  const row = new Float64Array(width);
  for (let token = 0; token < tokens; token++) {
    const id = values[token] as number;
    load(table, table.offset + id * (table.strides[0] as number), width, row);
    store(out, out.offset + token * (out.strides[0] as number), width, row);
  }
}
