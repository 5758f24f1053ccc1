import { logAdvice, logFallback } from "./fallback-log.ts";
import { runChainAgain, runChainFirst } from "./qk-norm-rope-calls.ts";
import { decideQkNormRope } from "./qk-norm-rope-plan.ts";
import type { QkNormRopeOptions } from "./qk-norm-rope-request.ts";
import { runQkNormRopeSteps } from "./qk-norm-rope-steps.ts";
import type { NormLike, TensorLike } from "./tensor-like.ts";

/**
 * The chain between the QKV projection and attention: normalises each head of q and k, rotates them, and writes k and v
 * into the cache.
 *
 *     [q, k] = applyQkNormRope(q, k, this.qNorm, this.kNorm, {
 *       headDim, rope: { cos, sin, rounding: "hf" }, positions, v, cache: { k: keys, v: values, slots },
 *     });
 *
 * Runs one fused kernel when a registered provider takes all of it, otherwise `applyQkNorm`, then the rotation, then the
 * write, with the roundings of each: the result is the same. `planQkNormRope` tells which, and why.
 *
 * @param q `[..., Hq*D]` or `[..., Hq, D]`; may be a slice of a packed QKV tensor. With `layout: "heads-first"`
 *   `[..., Hq, T, D]`
 * @param k `[..., Hkv*D]` or `[..., Hkv, D]` (`[..., Hkv, T, D]`); shares no memory with q
 * @param qNorm as in `applyQkNorm`, or null for q without a norm
 * @param kNorm the same for k
 * @returns q and k as attention takes them, in the shapes they came in. In place where the plan says so: use the returned
 *   tensors.
 * @throws QkNormError before anything is written: what `applyQkNorm` does. Afterwards only when a norm, a rotation
 *   (`ERR_QKNORM_ARGUMENT`) or a provider does not return the shape it was given, and what the caller's code throws.
 */
export function applyQkNormRope<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T> | null,
  kNorm: NormLike<T> | null,
  options: QkNormRopeOptions<T>,
): [T, T] {
  if (typeof options === "object" && options !== null) {
    const again = runChainAgain(q, k, qNorm, kNorm, options);
    if (again !== null) return again;
  }
  const decision = decideQkNormRope<T>({ q, k, qNorm, kNorm, options });
  const { tokens, queryHeads, kvHeads } = decision.plan.layout;
  if (tokens === 0 || queryHeads + kvHeads === 0) return [q, k];
  if ("prepared" in decision) {
    logAdvice(decision.plan);
    return runChainFirst(decision, qNorm, kNorm);
  }
  const { plan, checked, steps } = decision;
  if (plan.steps.length > 1) logFallback(plan.reasons, "norm, RoPE and write in turn");
  return runQkNormRopeSteps(checked, steps);
}
