import { type FloatDtype, type NormRounding, QkNormError } from "@qknorm/core";
import { dtypeNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly rounding: NormRounding;
  readonly alignment: Alignment;
  readonly width: number;
}

const chunk = 8;
const threads = 256;

const op = new CudaOp<Form, "gate" | "up" | "y" | "xStride" | "yStride" | "chunks" | "rows">({
  kernel: "silu_mul",
  parameters: {
    ...{
      gate: "address",
      up: "address",
      y: "address",
      xStride: "i64",
      yStride: "i64",
      chunks: "u32",
      rows: "u32",
    },
  },
  macros: ({ dtype, rounding, alignment, width }) => ({
    QK_DTYPE: dtypeNumbers[dtype],
    QK_HF: roundingNumbers[rounding],
    QK_ALIGN: alignment,
    QK_TAIL: width % chunk,
  }),
});

/** `[rows, 2 * width]` with the gate first, and `[rows, width]`; offsets and strides count elements. */
export interface CudaSiluMul {
  readonly dtype: FloatDtype;
  readonly rounding: NormRounding;
  readonly rows: number;
  readonly width: number;
  readonly gateUp: { readonly memory: CudaMemory; readonly offset: number; readonly rowStride: number };
  readonly out: { readonly memory: CudaMemory; readonly offset: number; readonly rowStride: number };
}

/** Queues `out = silu(gate) * up`. Throws as `CudaQkNorm.run` does. */
export function cudaSiluMul(kernels: CudaKernels, stream: CudaStream, call: CudaSiluMul): void {
  const { dtype, rounding, rows, width, gateUp, out } = call;
  const bytes = bytesOf(dtype);
  const [gate, up, y] = [gateUp.offset, gateUp.offset + width, out.offset].map((at) => at * bytes);
  const [xStride, yStride] = [gateUp.rowStride * bytes, out.rowStride * bytes];
  const alignment = alignmentOf(gate as number, up as number, y as number, xStride, yStride);
  const chunks = Math.ceil(width / chunk);
  const blocks = Math.ceil((rows * chunks) / threads);
  if (blocks >= 2 ** 24) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${rows} rows of ${width} are too many for one launch`);
  }
  op.launch(kernels, ["gate", "up", "y"])
    .use(op.request({ dtype, rounding, alignment, width }, kernels.device.arch), blocks, threads)
    .set("xStride", xStride)
    .set("yStride", yStride)
    .set("chunks", chunks)
    .set("rows", rows)
    .bind("gate", gateUp.memory, gate as number, (rows - 1) * xStride + width * bytes)
    .bind("up", gateUp.memory, up as number, (rows - 1) * xStride + width * bytes)
    .bind("y", out.memory, y as number, (rows - 1) * yStride + width * bytes)
    .run(stream);
}
