import type { FloatDtype } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly dtype: FloatDtype;
  readonly weightDtype: FloatDtype;
  readonly biasDtype: FloatDtype | null;
  readonly taps: number;
  readonly move: 0 | 1;
}

const threads = 256;

const launches = new FormLaunches<
  Form,
  "x" | "weight" | "bias" | "state" | "y" | "stride" | "tokens" | "channels"
>(
  new CudaOp({
    kernel: "causal_conv",
    includes: ["scalars.cuh"],
    parameters: {
      ...({ x: "address", weight: "address", bias: "address", state: "address", y: "address" } as const),
      ...({ stride: "i64", tokens: "u32", channels: "u32" } as const),
    },
    macros: ({ dtype, weightDtype, biasDtype, taps, move }) => ({
      QK_DTYPE: dtypeNumbers[dtype],
      QK_WEIGHT_DTYPE: dtypeNumbers[weightDtype],
      QK_BIAS: biasDtype === null ? 0 : 1,
      QK_BIAS_DTYPE: dtypeNumbers[biasDtype ?? dtype],
      QK_TAPS: taps,
      QK_MOVE: move,
    }),
  }),
  ["x", "weight", "bias", "state", "y"],
);

/** `x` and `y` `[tokens, channels]`, `weight [channels, taps]`, `bias [channels]`, `state [taps - 1, channels]`. */
export interface CudaCausalConv {
  readonly dtype: FloatDtype;
  readonly tokens: number;
  readonly channels: number;
  readonly taps: number;
  readonly x: CudaRows;
  readonly weight: CudaPlace & { readonly dtype: FloatDtype };
  readonly bias: (CudaPlace & { readonly dtype: FloatDtype }) | null;
  readonly state: CudaPlace;
  readonly y: CudaPlace;
}

/** Queues `y`, and then the state's move. Throws as `cudaElementwise` does. */
export function cudaCausalConv(kernels: CudaKernels, stream: CudaStream, call: CudaCausalConv): void {
  requireCall(kernels, stream, call, "cudaCausalConv", ["x", "weight", "state", "y"]);
  const { dtype, tokens, channels, taps, x, weight, bias, state, y } = call;
  const bytes = bytesOf(dtype);
  const queue = (move: 0 | 1, outputs: number): void => {
    const form = { dtype, weightDtype: weight.dtype, biasDtype: bias?.dtype ?? null, taps, move };
    const weightBytes = channels * taps * bytesOf(weight.dtype);
    // A bias that is not there is not read.
    const shift = bias ?? weight;
    launches
      .take(kernels, form, Math.ceil((outputs * channels) / threads), threads)
      .set("stride", x.rowStride * bytes)
      .set("tokens", tokens)
      .set("channels", channels)
      .bind("x", x.memory, x.offset * bytes, ((tokens - 1) * x.rowStride + channels) * bytes)
      .bind("weight", weight.memory, weight.offset * bytesOf(weight.dtype), weightBytes)
      .bind("bias", shift.memory, shift.offset * bytesOf(shift.dtype), channels * bytesOf(shift.dtype))
      .bind("state", state.memory, state.offset * bytes, (taps - 1) * channels * bytes)
      .bind("y", y.memory, y.offset * bytes, tokens * channels * bytes)
      .run(stream);
  };
  queue(0, tokens);
  if (taps > 1) queue(1, 1);
}
