import { bytesOf } from "./alignment.ts";
import { requireCall, requireFields, requireKernels } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import type { CudaNormForm } from "./norm-form.ts";
import { CudaOp } from "./op.ts";
import { rowGeometry, rowNormMacros, rowNormParameters } from "./row-norm.ts";
import type { CudaStream } from "./stream.ts";

const launches = new FormLaunches<CudaNormForm, string>(
  new CudaOp({
    kernel: "row_norm",
    parameters: rowNormParameters,
    macros: (form) => rowNormMacros(form, 1),
  }),
  ["input", "output", "weight", "bias", "residual", "sum"],
);

/** All `[rows, headDim]` of the form, which is out of place; weight and bias `[headDim]`, `null` where the form has none. */
export interface CudaAddNorm {
  readonly form: CudaNormForm;
  readonly eps: number;
  readonly rows: number;
  readonly x: CudaRows;
  readonly residual: CudaRows;
  readonly sum: CudaRows;
  readonly y: CudaRows;
  readonly weight: CudaPlace | null;
  readonly bias: CudaPlace | null;
}

/** Queues `sum = x + residual` and `y = norm(sum)`, with the bits of those two steps. Throws as `cudaElementwise` does. */
export function cudaAddNorm(kernels: CudaKernels, stream: CudaStream, call: CudaAddNorm): void {
  requireCall(kernels, stream, call, "cudaAddNorm", ["x", "residual", "sum", "y"]);
  const { form, eps, rows, x, residual, sum, y, weight, bias } = call;
  const { chunks, threads } = rowGeometry(form.headDim);
  const bytes = bytesOf(form.dtype);
  const launch = launches
    .take(kernels, form, rows, threads)
    .set("eps", eps)
    .set("inverseLength", 1 / form.headDim)
    .set("chunks", chunks)
    .set("heads", 1);
  for (const [name, stride, side] of [
    ["input", "tokenStride", x],
    ["output", "outTokenStride", y],
    ["residual", "residualStride", residual],
    ["sum", "sumStride", sum],
  ] as const) {
    const { memory, offset, rowStride } = side;
    launch
      .set(stride, rowStride * bytes)
      .bind(name, memory, offset * bytes, ((rows - 1) * rowStride + form.headDim) * bytes);
  }
  const affineBytes = bytesOf(form.weight ?? form.bias ?? form.dtype);
  for (const [name, values] of Object.entries({ weight, bias })) {
    // What is not there is not read.
    const { memory, offset } = values ?? x;
    launch.bind(name, memory, values === null ? 0 : offset * affineBytes, affineBytes * form.headDim);
  }
  launch.run(stream);
}

/** Loads what `cudaAddNorm` needs, so that a capture finds it. Throws what `CudaKernels.get` does. */
export function loadAddNorm(kernels: CudaKernels, form: CudaNormForm): void {
  requireKernels(kernels);
  requireFields(form, "the form of a norm");
  launches.take(kernels, form, 1, rowGeometry(form.headDim).threads);
}
