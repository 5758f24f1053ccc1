// The kernels of the CPU.
export { type AttentionCall, attention } from "./attention.ts";
export type { BindingModule } from "./binding.ts";
export { type CausalConvCall, causalConv } from "./causal-conv.ts";
export {
  add,
  type BinaryCall,
  type ConvertCall,
  type CopyRowsCall,
  convert,
  copyRows,
  type GatherRowsCall,
  gatherRows,
  mul,
  type SiluMulCall,
  siluMul,
  type Untyped,
} from "./elementwise.ts";
export { type DeltaOperand, type GatedDeltaRuleCall, gatedDeltaRule } from "./gated-delta-rule.ts";
export { preferHugePages } from "./huge-pages.ts";
export { type BlasInfo, blasInfo, type LinearCall, linear, setThreadCount, threadCount } from "./linear.ts";
export { type LoadedBinding, loadBinding } from "./loader.ts";
export { type MoeCall, moe, type StackView } from "./moe.ts";
export type { NormSide } from "./norm-side.ts";
export type { CacheArray, CpuIsa, NativeArray } from "./numbers.ts";
export type { HeadsView, RowsView, VectorView } from "./params.ts";
export { type PointwiseCall, pointwise, type XieluCall, xielu } from "./pointwise.ts";
export { mostProjectRows, type ProjectCall, type ProjectNorm, project } from "./project.ts";
export { availableIsas, cpuIsa, type QkNormCall, qkNorm } from "./qk-norm.ts";
export {
  type ChainRope,
  type ChainSide,
  type ChainWrite,
  type QkNormRopeCall,
  qkNormRope,
} from "./qk-norm-rope.ts";
export { type RopeCall, rope } from "./rope.ts";
export { type CacheTarget, type CacheView, type WriteCacheCall, writeCache } from "./write-cache.ts";
