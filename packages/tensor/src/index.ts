import { registerFusedQkNorm } from "@qknorm/core";
import { CudaQkNormProvider } from "./cuda/qk-norm-provider.ts";
import { loadNativeKernels } from "./native/kernels.ts";
import { CpuQkNormProvider } from "./qk-norm-provider.ts";
import { typescriptKernels } from "./typescript/kernels.ts";

export { type KernelChoice, type KernelStatus, kernelStatus, useKernels } from "./backend.ts";
export type { TensorLayout } from "./checked-view.ts";
export { DeviceGraph } from "./cuda/graph.ts";
export { type CudaStorage, liveBytes } from "./cuda/storage.ts";
export { cudaStream } from "./cuda/streams.ts";
export type { CudaDeviceName, Device } from "./device.ts";
export type { Dtype, FloatDtype, Storage } from "./dtype.ts";
export type { AttentionSpan, RopeTable } from "./kernels.ts";
export { attention } from "./ops/attention.ts";
export { add, convert, gatherRows, siluMul } from "./ops/elementwise.ts";
export { linear } from "./ops/linear.ts";
export { normalize } from "./ops/normalize.ts";
export { rope } from "./ops/rope.ts";
export { Tensor } from "./tensor.ts";
export { tidy } from "./tidy.ts";

// Importing the tensors makes their fused QK norm known. On the CPU it is native, or TypeScript when that is in use.
registerFusedQkNorm(new CpuQkNormProvider("cpu-native", () => loadNativeKernels().kernels));
registerFusedQkNorm(new CpuQkNormProvider("cpu-typescript", () => typescriptKernels));
registerFusedQkNorm(new CudaQkNormProvider());
