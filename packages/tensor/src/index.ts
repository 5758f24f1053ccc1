import { nativeQkNorm } from "#cpu-native";
import { fasterKernels } from "./backends/cpu/backend.ts";
import { typescriptQkNorm } from "./backends/cpu/typescript/qk-norm.ts";
import { provideQkNorm } from "./qk-norm/provider.ts";

export type { Backend, FileRange, Memory } from "./backend.ts";
export { type KernelChoice, type KernelStatus, kernelStatus, useKernels } from "./backends/cpu/backend.ts";
export type { TensorLayout } from "./checked-view.ts";
export type { CudaDeviceName, Device } from "./device.ts";
export { DeviceGraph } from "./device-graph.ts";
export { DeviceMark } from "./device-mark.ts";
export { backendOf, freeBytes, liveBytes } from "./devices.ts";
export {
  bytesOf,
  type CacheDtype,
  cacheDtypes,
  type Dtype,
  type FloatDtype,
  type HostArray,
} from "./dtype.ts";
export { fillFromFile } from "./file-range.ts";
export { Indices } from "./indices.ts";
export type {
  Activation,
  CacheScales,
  CacheWriteScales,
  DeltaGates,
  DeltaSpec,
  GrowingTexts,
  RopeLayout,
  RopeTable,
  RouterSpec,
  TokenDraws,
  XieluParameters,
} from "./op-specs.ts";
export { closeDevice, openDevice } from "./open-device.ts";
export { add } from "./ops/add.ts";
export { addNormalize } from "./ops/add-normalize.ts";
export { type AttentionOptions, attention } from "./ops/attention.ts";
export { causalConv } from "./ops/causal-conv.ts";
export { convert } from "./ops/convert.ts";
export { gatedDeltaRule } from "./ops/gated-delta-rule.ts";
export { gatherRows } from "./ops/gather-rows.ts";
export { likeliest } from "./ops/likeliest.ts";
export { linear } from "./ops/linear.ts";
export { type ExpertWeights, type MoeOptions, moe } from "./ops/moe.ts";
export { mul } from "./ops/mul.ts";
export { normalize } from "./ops/normalize.ts";
export { type PagedAttentionOptions, pagedAttention } from "./ops/paged-attention.ts";
export { activate, clamp, scale, softCap } from "./ops/pointwise.ts";
export { type ProjectOptions, project } from "./ops/project.ts";
export { rope } from "./ops/rope.ts";
export { type Routing, route } from "./ops/route.ts";
export { sample } from "./ops/sample.ts";
export { siluMul } from "./ops/silu-mul.ts";
export { writeCache } from "./ops/write-cache.ts";
export { xielu } from "./ops/xielu.ts";
export { settle } from "./settle.ts";
export { Tensor } from "./tensor.ts";
export { freeOnFailure, keep, tidy } from "./tidy.ts";
export { together } from "./together.ts";
export {
  drawToken,
  type LikelyTokens,
  likelyTokens,
  penalized,
  type TokenCuts,
  type TokenPenalties,
  tokensWhere,
} from "./token-choice.ts";

// Importing the tensors makes their fused QK norm known. On the CPU it is native, or TypeScript when that is in use.
if (nativeQkNorm !== null) provideQkNorm(nativeQkNorm);
provideQkNorm(typescriptQkNorm, fasterKernels);
