export { type AttentionCall, attention } from "./attention.ts";
export type { BindingModule, NativeArray, NativeDtype } from "./binding.ts";
export {
  type CudaDevice,
  type CudaUsage,
  cudaDevice,
  cudaUsage,
  setCudaBudget,
} from "./cuda/device.ts";
export { type CudaDriver, type CudaFailure, openCuda } from "./cuda/driver.ts";
export { CudaGraph } from "./cuda/graph.ts";
export { type CompiledKernel, Jit, type JitOptions } from "./cuda/jit.ts";
export type { JitState, Rung } from "./cuda/jit-state.ts";
export { CudaKernel, type KernelInfo, type KernelOptions } from "./cuda/kernel.ts";
export type { KernelRequest } from "./cuda/kernel-request.ts";
export { kernelSource } from "./cuda/kernel-source.ts";
export { CudaKernels, type LoadableKernel } from "./cuda/kernels.ts";
export { CudaLaunch } from "./cuda/launch.ts";
export type { LaunchConfig } from "./cuda/launch-config.ts";
export type { TriedPath } from "./cuda/library-paths.ts";
export { type CopyRange, CudaMemory } from "./cuda/memory.ts";
export { type Alignment, alignmentOf, type CudaNormForm, type CudaNormSide } from "./cuda/norm-form.ts";
export { type NvrtcLibrary, openNvrtc } from "./cuda/nvrtc.ts";
export { CudaQkNorm, type CudaQkNormOptions, type DeviceKind, type QkNormOperand } from "./cuda/qk-norm.ts";
export { CudaRowNorm, type CudaRowNormOptions, type RowNormOperand } from "./cuda/row-norm.ts";
export { CudaEvent, CudaResource, CudaStream } from "./cuda/stream.ts";
export { type Diagnosis, examine, type Provider } from "./doctor.ts";
export {
  type AddCall,
  add,
  type ConvertCall,
  type CopyRowsCall,
  convert,
  copyRows,
  type GatherRowsCall,
  gatherRows,
  type SiluMulCall,
  siluMul,
  type Untyped,
} from "./elementwise.ts";
export { type BlasInfo, blasInfo, type LinearCall, linear, setThreadCount, threadCount } from "./linear.ts";
export { type LoadedBinding, loadBinding } from "./loader.ts";
export type { HeadsView, RowsView, VectorView } from "./params.ts";
export { availableIsas, type CpuIsa, cpuIsa, type NormSide, type QkNormCall, qkNorm } from "./qk-norm.ts";
export { type RopeCall, rope } from "./rope.ts";
