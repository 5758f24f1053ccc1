export { applyQkNorm } from "./apply-qk-norm.ts";
export { applyQkNormRope } from "./apply-qk-norm-rope.ts";
export { type CacheLike, type CacheSlots, type CacheWriter, sameCacheMemory } from "./cache-like.ts";
export { isQkNormError, QkNormError, type QkNormErrorCode } from "./errors.ts";
export { explainQkNorm } from "./explain.ts";
export { explainQkNormRope } from "./explain-qk-norm-rope.ts";
export { type QkNormLogger, setQkNormLogger } from "./fallback-log.ts";
export { decodeBf16, decodeF16, encodeBf16, encodeF16, type FloatDtype, roundTo } from "./float-format.ts";
export { decodeE4m3, encodeE4m3, largestE4m3, scaleE4m3 } from "./float8.ts";
export { formatShape, type HeadLayout, type HeadOrder } from "./head-layout.ts";
export {
  assertNormSpec,
  copyNormSpec,
  type NormAxis,
  type NormKind,
  type NormRounding,
  type NormSpec,
  sameNormSpec,
} from "./norm-spec.ts";
export {
  type FallbackPlan,
  type FallbackReason,
  type FusedPlan,
  planQkNorm,
  type QkNormPlan,
} from "./plan.ts";
export type {
  FusedQkNormCall,
  FusedQkNormProvider,
  PreparedQkNorm,
} from "./provider.ts";
export {
  type FusedQkNormRopePlan,
  planQkNormRope,
  type QkNormRopePlan,
  type QkNormRopeStep,
  type SteppedQkNormRopePlan,
} from "./qk-norm-rope-plan.ts";
export type {
  FusedQkNormRope,
  FusedQkNormRopeCall,
  PreparedQkNormRope,
  QkNormRopeOperands,
  QkNormRopeOrder,
  QkNormRopeSteps,
  QkNormRopeTensors,
} from "./qk-norm-rope-provider.ts";
export type { QkNormRopeOptions, QkNormRopeRequest } from "./qk-norm-rope-request.ts";
export { type ReferenceRows, referenceNorm } from "./reference.ts";
export type { Refusal, RefusalCode } from "./refusal.ts";
export { fusedQkNormProviders, registerFusedQkNorm } from "./registry.ts";
export type { QkNormOptions, QkNormRequest } from "./request.ts";
export {
  type RopeFunction,
  type RopeLayout,
  type RopeLike,
  type RopeModule,
  type RopeSpec,
  sameRopeSpec,
} from "./rope-like.ts";
export {
  capture,
  currentStream,
  isCapturing,
  type StreamLike,
  setDefaultStream,
  withStream,
} from "./stream.ts";
export type { NormFunction, NormLike, NormModule, TensorLike } from "./tensor-like.ts";
export { warmUpQkNorm, warmUpQkNormRope } from "./warm-up.ts";
