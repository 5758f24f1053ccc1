export type { BindingModule, NativeArray, NativeDtype } from "./binding.ts";
export { type LoadedBinding, loadBinding } from "./loader.ts";
export { availableIsas, type CpuIsa, cpuIsa, type NormSide, type QkNormCall, qkNorm } from "./qk-norm.ts";
