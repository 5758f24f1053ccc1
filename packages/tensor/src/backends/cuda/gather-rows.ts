import { cudaGatherRows } from "@qknorm/native/cuda";
import type { IndexView, TensorView } from "../../backend.ts";
import { floatDtypeOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** `out [T, C] = table[ids]`. */
export function gatherRows(table: TensorView, ids: IndexView, out: TensorView): void {
  const [rows, width] = out.shape as [number, number];
  cudaGatherRows(...queueOf(out), {
    ...{ from: floatDtypeOf(table), to: floatDtypeOf(out), rows, width },
    tableRows: table.shape[0] as number,
    table: rowsOf(table),
    ids: placeOf(ids.on(out.memory.backend)),
    y: rowsOf(out),
  });
}
