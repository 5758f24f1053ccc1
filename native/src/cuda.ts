// CUDA: the driver, the compiler, and the kernels of this package.

export { type CudaAddNorm, cudaAddNorm, loadAddNorm } from "./cuda/add-norm.ts";
export { type Alignment, alignmentOf } from "./cuda/alignment.ts";
export {
  CudaAttention,
  type CudaAttentionOperand,
} from "./cuda/attention.ts";
export { type AttentionTuning, attentionTuning } from "./cuda/attention-cut.ts";
export type { CudaAttentionForm, CudaAttentionShape, HeadStrides } from "./cuda/attention-form.ts";
export { planAttention } from "./cuda/attention-plan.ts";
export type { CudaCacheDtype } from "./cuda/cache-dtype.ts";
export { type CudaCausalConv, cudaCausalConv } from "./cuda/causal-conv.ts";
export type { CudaChainForm } from "./cuda/chain-form.ts";
export { type CopyAxis, type CudaCopy, cudaCopy } from "./cuda/copy.ts";
export { type CublasLtLibrary, openCublasLt } from "./cuda/cublaslt.ts";
export { DecodeFlow } from "./cuda/decode-flow.ts";
export { type DecodeForm, type DecodeNorm, type DecodeProduct, decodeRing } from "./cuda/decode-form.ts";
export type { DecodeHeads, DecodePages, DecodeStep } from "./cuda/decode-step.ts";
export { CudaDecodeSteps, mostDecodeSteps } from "./cuda/decode-steps.ts";
export {
  type CudaDevice,
  type CudaUsage,
  cudaDevice,
  cudaUsage,
  setCudaBudget,
} from "./cuda/device.ts";
export { type CudaDriver, type CudaFailure, openCuda } from "./cuda/driver.ts";
export { type CudaElementwise, cudaElementwise } from "./cuda/elementwise.ts";
export { type CudaPlace, type CudaRows, FormLaunches } from "./cuda/form-launches.ts";
export { type CudaGatedDeltaRule, type CudaHeads, cudaGatedDeltaRule } from "./cuda/gated-delta-rule.ts";
export { type CudaGatherRows, cudaGatherRows } from "./cuda/gather-rows.ts";
export {
  CudaGemv,
  type GemvForm,
  type GemvNorm,
  type GemvOperands,
  gemvNorms,
  mostGemvTokens,
} from "./cuda/gemv.ts";
export { type GemvGeometry, gemvGeometry } from "./cuda/gemv-geometry.ts";
export { CudaGraph } from "./cuda/graph.ts";
export { type CompiledKernel, Jit, type JitOptions } from "./cuda/jit.ts";
export type { JitState, Rung } from "./cuda/jit-state.ts";
export { CudaKernel, type KernelInfo, type KernelOptions } from "./cuda/kernel.ts";
export type { KernelRequest } from "./cuda/kernel-request.ts";
export { kernelSource } from "./cuda/kernel-request.ts";
export { CudaKernels, type LoadableKernel } from "./cuda/kernels.ts";
export { CudaLaunch } from "./cuda/launch.ts";
export type { LaunchConfig } from "./cuda/launch-config.ts";
export type { TriedPath } from "./cuda/library-paths.ts";
export { type CudaLikeliest, cudaLikeliest, likeliestScratch } from "./cuda/likeliest.ts";
export { type CopyRange, CudaMemory } from "./cuda/memory.ts";
export { CudaMoe, type MoeOperands } from "./cuda/moe.ts";
export type { ExpertStack, MoeForm } from "./cuda/moe-kernels.ts";
export type { CudaNormForm, CudaNormSide } from "./cuda/norm-form.ts";
export { type NvrtcLibrary, openNvrtc } from "./cuda/nvrtc.ts";
export { CudaOp, type OpDeclaration, OpLaunch, type ParameterType } from "./cuda/op.ts";
export { type ByteRange, CudaProduct, type ProductOperands, type ProductShape } from "./cuda/product.ts";
export { CudaQkNorm, type CudaQkNormOptions, type DeviceKind, type QkNormOperand } from "./cuda/qk-norm.ts";
export {
  type CudaCacheSide,
  CudaQkNormRope,
  type CudaQkNormRopeOptions,
  type QkNormRopeOperand,
} from "./cuda/qk-norm-rope.ts";
export { type CudaRope, cudaRope } from "./cuda/rope.ts";
export { type CudaRoute, cudaRoute } from "./cuda/route.ts";
export { CudaRowNorm, type CudaRowNormOptions, type RowNormOperand } from "./cuda/row-norm.ts";
export { type CudaSample, cudaSample, sampleScratch } from "./cuda/sample.ts";
export { type CudaSiluMul, cudaSiluMul } from "./cuda/silu-mul.ts";
export { CudaEvent, CudaResource, CudaStream } from "./cuda/stream.ts";
export { CudaWriteCache, type CudaWriteCacheShape } from "./cuda/write-cache.ts";
export { CudaWriteE4m3Cache, type CudaWriteE4m3Shape } from "./cuda/write-cache-e4m3.ts";
export { type CudaXielu, cudaXielu } from "./cuda/xielu.ts";
