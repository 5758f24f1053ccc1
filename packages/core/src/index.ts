export { applyQkNorm } from "./apply-qk-norm.ts";
export { isQkNormError, QkNormError, type QkNormErrorCode } from "./errors.ts";
export { explainQkNorm } from "./explain.ts";
export { type QkNormLogger, setQkNormLogger } from "./fallback-log.ts";
export { decodeBf16, decodeF16, encodeBf16, encodeF16, type FloatDtype, roundTo } from "./float-format.ts";
export { format as formatShape, type HeadLayout, type HeadOrder } from "./head-layout.ts";
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
  Refusal,
  RefusalCode,
} from "./provider.ts";
export { type ReferenceRows, referenceNorm } from "./reference.ts";
export { fusedQkNormProviders, registerFusedQkNorm } from "./registry.ts";
export type { QkNormOptions, QkNormRequest } from "./request.ts";
export {
  capture,
  currentStream,
  isCapturing,
  type StreamLike,
  setDefaultStream,
  withStream,
} from "./stream.ts";
export type { NormFunction, NormLike, NormModule, TensorLike } from "./tensor-like.ts";
export { warmUpQkNorm } from "./warm-up.ts";
