import type { FloatDtype, NormRounding } from "@qknorm/core";
import { dtypeNumbers, layoutNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, alignmentOf, bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp, faultsParameter } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly layout: keyof typeof layoutNumbers;
  readonly rounding: NormRounding;
  readonly alignment: Alignment;
  readonly tableAlignment: Alignment;
  readonly tail: number;
}

const threads = 256;

const launches = new FormLaunches<
  Form,
  | ("x" | "cos" | "sin" | "positions" | "tokenStride" | "headStride")
  | ("tokens" | "heads" | "half" | "pieces" | "places" | "faults")
>(
  new CudaOp({
    kernel: "rope",
    includes: ["faults.cuh"],
    parameters: {
      ...({ x: "address", cos: "address", sin: "address", positions: "address" } as const),
      ...({ tokenStride: "i64", headStride: "i64" } as const),
      ...({ tokens: "u32", heads: "u32", half: "u32", pieces: "u32", places: "u32" } as const),
      ...faultsParameter,
    },
    macros: ({ dtype, layout, rounding, alignment, tableAlignment, tail }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_INTERLEAVED: layoutNumbers[layout],
      QK_HF: roundingNumbers[rounding],
      QK_ALIGN: alignment,
      QK_TABLE_ALIGN: tableAlignment,
      QK_TAIL: tail,
    }),
  }),
  ["x", "cos", "sin", "positions"],
);

/** `x [tokens, heads, D]` of which the first `2 * half` values of each head turn, by f32 tables `[tableRows, half]`. */
export interface CudaRope {
  readonly dtype: FloatDtype;
  readonly layout: keyof typeof layoutNumbers;
  readonly rounding: NormRounding;
  readonly tokens: number;
  readonly heads: number;
  readonly half: number;
  readonly tableRows: number;
  readonly x: CudaPlace & { readonly tokenStride: number; readonly headStride: number };
  readonly cos: CudaPlace;
  readonly sin: CudaPlace;
  /** i32 `[tokens]`. One that is not below `tableRows` takes the last row, and is told. */
  readonly positions: CudaPlace;
}

/** Queues the rotation, in place. Throws as `cudaElementwise` does. */
export function cudaRope(kernels: CudaKernels, stream: CudaStream, call: CudaRope): void {
  requireCall(kernels, stream, call, "cudaRope", ["x", "cos", "sin", "positions"]);
  const { dtype, layout, rounding, tokens, heads, half, tableRows, x, cos, sin, positions } = call;
  const bytes = bytesOf(dtype);
  const [at, tokenStride, headStride] = [x.offset, x.tokenStride, x.headStride].map((n) => n * bytes) as [
    number,
    number,
    number,
  ];
  const pairs = layout === "interleaved" ? 4 : 8;
  const pieces = Math.ceil(half / pairs);
  const apart = layout === "interleaved" ? [] : [half * bytes];
  const form = {
    ...{ dtype, layout, rounding, tail: half % pairs },
    alignment: alignmentOf(at, tokenStride, headStride, ...apart),
    tableAlignment: alignmentOf(cos.offset * 4, sin.offset * 4, half * 4),
  };
  launches
    .take(kernels, form, Math.ceil((tokens * heads * pieces) / threads), threads)
    .set("tokenStride", tokenStride)
    .set("headStride", headStride)
    .set("tokens", tokens)
    .set("heads", heads)
    .set("half", half)
    .set("pieces", pieces)
    .set("places", tableRows)
    .bind("x", x.memory, at, (tokens - 1) * tokenStride + (heads - 1) * headStride + 2 * half * bytes)
    .bind("cos", cos.memory, cos.offset * 4, tableRows * half * 4)
    .bind("sin", sin.memory, sin.offset * 4, tableRows * half * 4)
    .bind("positions", positions.memory, positions.offset * 4, tokens * 4)
    .run(stream);
}
