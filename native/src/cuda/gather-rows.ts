import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp, faultsParameter } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly from: FloatDtype;
  readonly to: FloatDtype;
  readonly fromAlignment: Alignment;
  readonly toAlignment: Alignment;
  readonly tail: number;
}

const chunk = 8;
const threads = 256;

const launches = new FormLaunches<
  Form,
  "table" | "ids" | "y" | "tableStride" | "yStride" | "chunks" | "rows" | "tableRows" | "faults"
>(
  new CudaOp({
    kernel: "gather_rows",
    includes: ["faults.cuh"],
    parameters: {
      ...({ table: "address", ids: "address", y: "address" } as const),
      ...({ tableStride: "i64", yStride: "i64", chunks: "u32", rows: "u32", tableRows: "u32" } as const),
      ...faultsParameter,
    },
    macros: ({ from, to, fromAlignment, toAlignment, tail }) => ({
      QK_FROM: dtypeNumbers[from],
      QK_TO: dtypeNumbers[to],
      QK_FROM_ALIGN: fromAlignment,
      QK_TO_ALIGN: toAlignment,
      QK_TAIL: tail,
    }),
  }),
  ["table", "ids", "y"],
);

/**
 * `y [rows, width] = table [tableRows, width]` by i32 `ids [rows]`. One that is not below
 * `tableRows` takes the last row, and is told (`CudaStream.synchronize`).
 */
export interface CudaGatherRows {
  readonly from: FloatDtype;
  readonly to: FloatDtype;
  readonly rows: number;
  readonly width: number;
  readonly tableRows: number;
  readonly table: CudaRows;
  readonly ids: CudaPlace;
  readonly y: CudaRows;
}

/** Queues it. Throws as `cudaElementwise` does. */
export function cudaGatherRows(kernels: CudaKernels, stream: CudaStream, call: CudaGatherRows): void {
  requireCall(kernels, stream, call, "cudaGatherRows", ["table", "ids", "y"]);
  const { from, to, rows, width, tableRows, table, ids, y } = call;
  const [fromBytes, toBytes] = [bytesOf(from), bytesOf(to)];
  const [tableAt, tableStride] = [table.offset * fromBytes, table.rowStride * fromBytes];
  const [yAt, yStride] = [y.offset * toBytes, y.rowStride * toBytes];
  const form = {
    ...{ from, to, tail: width % chunk },
    ...{ fromAlignment: alignmentOf(tableAt, tableStride), toAlignment: alignmentOf(yAt, yStride) },
  };
  const chunks = Math.ceil(width / chunk);
  launches
    .take(kernels, form, Math.ceil((rows * chunks) / threads), threads)
    .set("tableStride", tableStride)
    .set("yStride", yStride)
    .set("chunks", chunks)
    .set("rows", rows)
    .set("tableRows", tableRows)
    .bind("table", table.memory, tableAt, (tableRows - 1) * tableStride + width * fromBytes)
    .bind("ids", ids.memory, ids.offset * 4, rows * 4)
    .bind("y", y.memory, yAt, (rows - 1) * yStride + width * toBytes)
    .run(stream);
}
