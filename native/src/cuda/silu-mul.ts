import type { FloatDtype, NormRounding } from "@qknorm/core";
import { dtypeNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly rounding: NormRounding;
  readonly alignment: Alignment;
  readonly tail: number;
}

const chunk = 8;
const threads = 256;

const launches = new FormLaunches<Form, "gate" | "up" | "y" | "xStride" | "yStride" | "chunks" | "rows">(
  new CudaOp({
    kernel: "silu_mul",
    parameters: {
      ...({ gate: "address", up: "address", y: "address" } as const),
      ...({ xStride: "i64", yStride: "i64", chunks: "u32", rows: "u32" } as const),
    },
    macros: ({ dtype, rounding, alignment, tail }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_HF: roundingNumbers[rounding],
      QK_ALIGN: alignment,
      QK_TAIL: tail,
    }),
  }),
  ["gate", "up", "y"],
);

/** `[rows, 2 * width]` with the gate first, and `[rows, width]`. */
export interface CudaSiluMul {
  readonly dtype: FloatDtype;
  readonly rounding: NormRounding;
  readonly rows: number;
  readonly width: number;
  readonly gateUp: CudaRows;
  readonly out: CudaRows;
}

/** Queues `out = silu(gate) * up`. Throws as `cudaElementwise` does. */
export function cudaSiluMul(kernels: CudaKernels, stream: CudaStream, call: CudaSiluMul): void {
  requireCall(kernels, stream, call, "cudaSiluMul", ["gateUp", "out"]);
  const { dtype, rounding, rows, width, gateUp, out } = call;
  const bytes = bytesOf(dtype);
  const [gate, up, y] = [gateUp.offset, gateUp.offset + width, out.offset].map((at) => at * bytes);
  const [xStride, yStride] = [gateUp.rowStride * bytes, out.rowStride * bytes];
  const alignment = alignmentOf(gate as number, up as number, y as number, xStride, yStride);
  const chunks = Math.ceil(width / chunk);
  launches
    .take(
      kernels,
      { dtype, rounding, alignment, tail: width % chunk },
      Math.ceil((rows * chunks) / threads),
      threads,
    )
    .set("xStride", xStride)
    .set("yStride", yStride)
    .set("chunks", chunks)
    .set("rows", rows)
    .bind("gate", gateUp.memory, gate as number, (rows - 1) * xStride + width * bytes)
    .bind("up", gateUp.memory, up as number, (rows - 1) * xStride + width * bytes)
    .bind("y", out.memory, y as number, (rows - 1) * yStride + width * bytes)
    .run(stream);
}
