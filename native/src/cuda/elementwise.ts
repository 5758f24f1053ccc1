import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers, pointwiseNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

/** What elementwise.cu computes of an element, or of two. */
const elementwiseNumbers = { ...pointwiseNumbers, sum: 11, product: 12, conversion: 13 } as const;

interface Form {
  readonly op: number;
  readonly from: FloatDtype;
  readonly to: FloatDtype;
  readonly fromAlignment: Alignment;
  readonly toAlignment: Alignment;
}

const chunk = 8;
const threads = 256;

const launches = new FormLaunches<Form, "x" | "other" | "y" | "count" | "number">(
  new CudaOp({
    kernel: "elementwise",
    parameters: { x: "address", other: "address", y: "address", count: "i64", number: "f32" },
    macros: ({ op, from, to, fromAlignment, toAlignment }) => ({
      QK_OP: op,
      QK_FROM: dtypeNumbers[from],
      QK_TO: dtypeNumbers[to],
      QK_FROM_ALIGN: fromAlignment,
      QK_TO_ALIGN: toAlignment,
    }),
  }),
  ["x", "other", "y"],
);

/** `y[i] = f(x[i])`, or of `x[i]` and `other[i]`, over dense operands of one length. */
export interface CudaElementwise {
  readonly f: keyof typeof elementwiseNumbers;
  /** Of x and other, and of y. */
  readonly from: FloatDtype;
  readonly to: FloatDtype;
  readonly count: number;
  readonly x: CudaPlace;
  /** The second operand of a sum or a product; x itself for the others, which do not read it. */
  readonly other: CudaPlace;
  readonly y: CudaPlace;
  /** The factor of `scale`, the cap of `soft-cap`, the limit of `clamp`. */
  readonly number: number;
}

/** Queues it. Throws `ERR_QKNORM_SHAPE` for more elements than a grid has threads, and as `CudaQkNorm.run` does. */
export function cudaElementwise(kernels: CudaKernels, stream: CudaStream, call: CudaElementwise): void {
  requireCall(kernels, stream, call, "cudaElementwise", ["x", "other", "y"]);
  const { f, from, to, count, x, other, y, number } = call;
  const [fromBytes, toBytes] = [bytesOf(from), bytesOf(to)];
  const [xAt, otherAt, yAt] = [x.offset * fromBytes, other.offset * fromBytes, y.offset * toBytes];
  const form = {
    ...{ op: elementwiseNumbers[f], from, to },
    ...{ fromAlignment: alignmentOf(xAt, otherAt), toAlignment: alignmentOf(yAt) },
  };
  launches
    .take(kernels, form, Math.ceil(count / (chunk * threads)), threads)
    .set("count", count)
    .set("number", number)
    .bind("x", x.memory, xAt, count * fromBytes)
    .bind("other", other.memory, otherAt, count * fromBytes)
    .bind("y", y.memory, yAt, count * toBytes)
    .run(stream);
}
