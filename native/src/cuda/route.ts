import { type FloatDtype, QkNormError } from "@qknorm/core";
import { dtypeNumbers } from "../numbers.ts";
import { bytesOf } from "./alignment.ts";
import { requireCall } from "./call-arguments.ts";
import { type CudaPlace, type CudaRows, FormLaunches } from "./form-launches.ts";
import type { CudaKernels } from "./kernels.ts";
import { CudaOp } from "./op.ts";
import type { CudaStream } from "./stream.ts";

interface Form {
  readonly logits: FloatDtype;
  readonly bias: FloatDtype | null;
  readonly weights: FloatDtype;
  readonly score: "softmax" | "sigmoid";
  readonly groups: number;
  readonly normalize: boolean;
  readonly count: number;
}

/** Experts whose ranks a warp's registers hold, where an instruction finds the largest of them: from sm_80 on. */
const mostHeld = 512;
const warps = 4;
const mostSharedBytes = 48 << 10;

const launches = new FormLaunches<
  Form,
  | ("logits" | "bias" | "experts" | "weights" | "stride" | "tokens" | "count" | "chosen" | "kept")
  | ("eps" | "factor")
>(
  new CudaOp({
    kernel: "route",
    includes: ["scalars.cuh"],
    parameters: {
      ...({ logits: "address", bias: "address", experts: "address", weights: "address" } as const),
      ...({ stride: "i64", tokens: "u32", count: "u32", chosen: "u32", kept: "u32" } as const),
      ...({ eps: "f32", factor: "f32" } as const),
    },
    macros: ({ logits, bias, weights, score, groups, normalize, count }) => ({
      QK_LOGITS: dtypeNumbers[logits],
      QK_BIASES: dtypeNumbers[bias ?? "f32"],
      QK_WEIGHTS: dtypeNumbers[weights],
      QK_BIAS: bias === null ? 0 : 1,
      QK_SIGMOID: score === "sigmoid" ? 1 : 0,
      QK_GROUPS: groups,
      QK_NORMALIZE: normalize ? 1 : 0,
      QK_COUNT: count,
    }),
  }),
  ["logits", "bias", "experts", "weights"],
);

/** `experts` i32 and `weights`, both `[tokens, topK]`, of `logits [tokens, count]`; a router's numbers as `route.cu` has them. */
export interface CudaRoute {
  readonly tokens: number;
  readonly count: number;
  readonly topK: number;
  readonly score: "softmax" | "sigmoid";
  readonly groups: { readonly count: number; readonly kept: number } | null;
  readonly normalize: { readonly eps: number } | null;
  readonly factor: number;
  readonly logits: CudaRows & { readonly dtype: FloatDtype };
  readonly bias: (CudaPlace & { readonly dtype: FloatDtype }) | null;
  readonly experts: CudaPlace;
  readonly weights: CudaPlace & { readonly dtype: FloatDtype };
}

/** Queues it. Throws `ERR_QKNORM_SHAPE` for more experts than shared memory holds, and as `cudaElementwise` does. */
export function cudaRoute(kernels: CudaKernels, stream: CudaStream, call: CudaRoute): void {
  requireCall(kernels, stream, call, "cudaRoute", ["logits", "experts", "weights"]);
  const { tokens, count, topK, score, groups, normalize, factor, logits, bias, experts, weights } = call;
  const sharedBytes = warps * (2 * count + (groups?.count ?? 0) + topK) * 4;
  if (sharedBytes > mostSharedBytes) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${count} experts are too many for the kernel`);
  }
  const holds = count <= mostHeld && Number.parseInt(kernels.device.arch.slice("sm_".length), 10) >= 80;
  const form = {
    ...{ logits: logits.dtype, bias: bias?.dtype ?? null, weights: weights.dtype, score },
    ...{ groups: groups?.count ?? 0, normalize: normalize !== null, count: holds ? count : 0 },
  };
  const [logitBytes, weightBytes] = [bytesOf(logits.dtype), bytesOf(weights.dtype)];
  // A bias that is not there is not read.
  const added = bias ?? logits;
  launches
    .take(kernels, form, Math.ceil(tokens / warps), 32 * warps, sharedBytes)
    .set("stride", logits.rowStride * logitBytes)
    .set("tokens", tokens)
    .set("count", count)
    .set("chosen", topK)
    .set("kept", groups?.kept ?? 0)
    .set("eps", normalize?.eps ?? 0)
    .set("factor", factor)
    .bind(
      "logits",
      logits.memory,
      logits.offset * logitBytes,
      ((tokens - 1) * logits.rowStride + count) * logitBytes,
    )
    .bind("bias", added.memory, added.offset * bytesOf(added.dtype), count * bytesOf(added.dtype))
    .bind("experts", experts.memory, experts.offset * 4, tokens * topK * 4)
    .bind("weights", weights.memory, weights.offset * weightBytes, tokens * topK * weightBytes)
    .run(stream);
}
