import * as native from "@qknorm/native/cpu";
import type { IndexView, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { rowsOf } from "./views.ts";

/** `out [T, C] = table [V, C]` at `ids [T]`. */
export function gatherRows(table: TensorView, ids: IndexView, out: TensorView): void {
  const [rows, width] = out.shape as [number, number];
  native.gatherRows({
    rows,
    width,
    table: rowsOf(table),
    tableRows: table.shape[0] as number,
    ids: hostIndices(ids),
    idsOffset: 0,
    out: rowsOf(out),
  });
}
