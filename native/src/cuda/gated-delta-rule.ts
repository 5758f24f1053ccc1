import { type FloatDtype, type NormRounding, QkNormError } from "@qknorm/core";
import { dtypeNumbers, roundingNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly gates: FloatDtype;
  readonly parameters: FloatDtype;
  readonly rounding: NormRounding;
  readonly held: number;
}

const warps = 4;
const mostKeyDim = 256;

const operands = ["q", "k", "v", "a", "b", "aLog", "dtBias", "state", "y"] as const;
const strides = ["qToken", "qHead", "kToken", "kHead", "vToken", "vHead", "aToken", "bToken"] as const;
const counts = ["tokens", "heads", "group", "keyDim", "valueDim"] as const;
type Name = (typeof operands)[number] | (typeof strides)[number] | (typeof counts)[number] | "scale";

const launches = new FormLaunches<Form, Name>(
  new CudaOp<Form, Name>({
    kernel: "gated_delta_rule",
    includes: ["scalars.cuh"],
    parameters: Object.fromEntries([
      ...operands.map((name) => [name, "address"]),
      ...strides.map((name) => [name, "i64"]),
      ...counts.map((name) => [name, "u32"]),
      ["scale", "f32"],
    ]),
    macros: ({ dtype, gates, parameters, rounding, held }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_GATES: dtypeNumbers[gates],
      QK_PARAMETERS: dtypeNumbers[parameters],
      QK_HF: roundingNumbers[rounding],
      QK_HELD: held,
    }),
  }),
  operands,
);

/** `[tokens, heads, width]`; strides in elements. */
export interface CudaHeads extends CudaPlace {
  readonly tokenStride: number;
  readonly headStride: number;
}

export interface CudaGatedDeltaRule {
  /** Of q, k, v and y. */
  readonly dtype: FloatDtype;
  /** Of a and b, and of aLog and dtBias. */
  readonly gates: FloatDtype;
  readonly parameters: FloatDtype;
  readonly rounding: NormRounding;
  readonly scale: number;
  readonly tokens: number;
  /** Of values; of keys there are `heads / group`. */
  readonly heads: number;
  readonly group: number;
  readonly keyDim: number;
  readonly valueDim: number;
  readonly q: CudaHeads;
  readonly k: CudaHeads;
  readonly v: CudaHeads;
  readonly a: CudaRows;
  readonly b: CudaRows;
  readonly aLog: CudaPlace;
  readonly dtBias: CudaPlace;
  /** f32 `[heads, keyDim, valueDim]`, overwritten. */
  readonly state: CudaPlace;
  /** Dense `[tokens, heads, valueDim]`. */
  readonly y: CudaPlace;
}

/** Queues it. Throws `ERR_QKNORM_SHAPE` for keys of more than 256 values, and as `cudaElementwise` does. */
export function cudaGatedDeltaRule(kernels: CudaKernels, stream: CudaStream, call: CudaGatedDeltaRule): void {
  requireCall(kernels, stream, call, "cudaGatedDeltaRule", [
    "q",
    "k",
    "v",
    "a",
    "b",
    "aLog",
    "dtBias",
    "state",
    "y",
  ]);
  const { dtype, gates, parameters, rounding, tokens, heads, group, keyDim, valueDim } = call;
  if (keyDim > mostKeyDim) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `keys of ${keyDim} values are wider than the kernel's ${mostKeyDim}`,
    );
  }
  const form = { dtype, gates, parameters, rounding, held: Math.ceil(keyDim / 32) };
  const launch = launches
    .take(kernels, form, Math.ceil((heads * valueDim) / warps), 32 * warps)
    .set("scale", call.scale);
  for (const name of counts) launch.set(name, call[name]);
  const bytes = bytesOf(dtype);
  for (const [name, count, width] of [
    ["q", heads / group, keyDim],
    ["k", heads / group, keyDim],
    ["v", heads, valueDim],
  ] as const) {
    const { memory, offset, tokenStride, headStride } = call[name];
    launch
      .set(`${name}Token`, tokenStride * bytes)
      .set(`${name}Head`, headStride * bytes)
      .bind(
        name,
        memory,
        offset * bytes,
        ((tokens - 1) * tokenStride + (count - 1) * headStride + width) * bytes,
      );
  }
  for (const name of ["a", "b"] as const) {
    const { memory, offset, rowStride } = call[name];
    const wide = bytesOf(gates);
    launch
      .set(`${name}Token`, rowStride * wide)
      .bind(name, memory, offset * wide, ((tokens - 1) * rowStride + heads) * wide);
  }
  for (const name of ["aLog", "dtBias"] as const) {
    const { memory, offset } = call[name];
    launch.bind(name, memory, offset * bytesOf(parameters), heads * bytesOf(parameters));
  }
  launch
    .bind("state", call.state.memory, call.state.offset * 4, heads * keyDim * valueDim * 4)
    .bind("y", call.y.memory, call.y.offset * bytes, tokens * heads * valueDim * bytes)
    .run(stream);
}
