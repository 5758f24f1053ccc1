import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly parameters: FloatDtype;
  readonly alignment: Alignment;
}

const scalars = ["alphaP", "alphaN", "beta", "eps"] as const;
const chunk = 8;
const threads = 256;

const launches = new FormLaunches<Form, "x" | "y" | (typeof scalars)[number] | "count">(
  new CudaOp({
    kernel: "xielu",
    includes: ["scalars.cuh"],
    parameters: {
      ...({ x: "address", y: "address", alphaP: "address", alphaN: "address" } as const),
      ...({ beta: "address", eps: "address", count: "i64" } as const),
    },
    macros: ({ dtype, parameters, alignment }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_PARAMETERS: dtypeNumbers[parameters],
      QK_ALIGN: alignment,
    }),
  }),
  ["x", "y", ...scalars],
);

/** Dense operands of one length, and scalars that lie on the device. */
export interface CudaXielu {
  readonly dtype: FloatDtype;
  readonly count: number;
  readonly x: CudaPlace;
  readonly y: CudaPlace;
  /** Of all four scalars. */
  readonly parameters: FloatDtype;
  readonly scalars: Readonly<Record<(typeof scalars)[number], CudaPlace>>;
}

/** Queues `y = xIELU(x)`. Throws as `cudaElementwise` does. */
export function cudaXielu(kernels: CudaKernels, stream: CudaStream, call: CudaXielu): void {
  requireCall(kernels, stream, call, "cudaXielu", ["x", "y"]);
  const { dtype, parameters, count, x, y } = call;
  const bytes = bytesOf(dtype);
  const [xAt, yAt] = [x.offset * bytes, y.offset * bytes];
  const form = { dtype, parameters, alignment: alignmentOf(xAt, yAt) };
  const launch = launches
    .take(kernels, form, Math.ceil(count / (chunk * threads)), threads)
    .set("count", count)
    .bind("x", x.memory, xAt, count * bytes)
    .bind("y", y.memory, yAt, count * bytes);
  for (const name of scalars) {
    const { memory, offset } = call.scalars[name];
    launch.bind(name, memory, offset * bytesOf(parameters), bytesOf(parameters));
  }
  launch.run(stream);
}
