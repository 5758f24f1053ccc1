import { normalizeBoth } from "./fallback.ts";
import { logAdvice, logFallback } from "./fallback-log.ts";
import { decide } from "./plan.ts";
import { runAgain, runFirst } from "./prepared-calls.ts";
import type { QkNormOptions } from "./request.ts";
import { assertStream } from "./stream.ts";
import type { NormLike, TensorLike } from "./tensor-like.ts";

/**
 * Normalises each head of q and k, as Qwen3-like attention does before RoPE.
 *
 *     [q, k] = applyQkNorm(q, k, this.qNorm, this.kNorm, this.headDim, { altStream: this.altStream });
 *
 * Runs one fused kernel when a registered provider takes the tensors and the norms' specs, otherwise the two norms
 * themselves. `planQkNorm` tells which, and why.
 *
 * @param q `[..., Hq*D]` or `[..., Hq, D]`; may be a slice of a packed QKV tensor. With `layout: "heads-first"`, as after
 *   a transpose for attention: `[..., Hq, T, D]`
 * @param k `[..., Hkv*D]` or `[..., Hkv, D]` (`[..., Hkv, T, D]`), with the leading dimensions of q; shares no memory
 *   with q
 * @param qNorm the norm of q's heads: a module with `forward`, or a function; with a `spec` it can be fused
 * @param kNorm the norm of k's heads
 * @param headDim `D`
 * @returns q and k normalised, in the shapes they came in. In place where the plan says so: use the returned tensors.
 * @throws QkNormError before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`,
 *   `ERR_QKNORM_LAYOUT`, `ERR_QKNORM_OVERLAP`, `ERR_QKNORM_NORM`, `ERR_QKNORM_ARGUMENT`. Afterwards only when a norm
 *   (`ERR_QKNORM_NORM`) or a provider (`ERR_QKNORM_PROVIDER`) does not return the shape it was given. What a norm or a
 *   getter throws comes out as it is.
 */
export function applyQkNorm<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  headDim: number,
  options?: QkNormOptions,
): [T, T] {
  let chosen = options;
  if (typeof options === "object" && options !== null) {
    // Read once, whatever getters they are.
    const { altStream, allowInplace, path, layout } = options;
    if (path === undefined || path === "auto") {
      if (altStream !== undefined && altStream !== null) assertStream(altStream, "altStream");
      const again = runAgain(q, k, qNorm, kNorm, headDim, allowInplace ?? true, layout ?? "tokens-first");
      if (again !== null) return again;
    }
    chosen = { altStream, allowInplace, path, layout };
  } else if (options === undefined) {
    const again = runAgain(q, k, qNorm, kNorm, headDim, true, "tokens-first");
    if (again !== null) return again;
  }
  const decision = decide<T>({ q, k, qNorm, kNorm, headDim, options: chosen });
  const { tokens, queryHeads, kvHeads } = decision.plan.layout;
  if (tokens === 0 || queryHeads + kvHeads === 0) return [q, k];
  if ("prepared" in decision) {
    logAdvice(decision.plan);
    return runFirst(decision, qNorm, kNorm);
  }
  const { reasons, layout } = decision.plan;
  logFallback(reasons);
  return normalizeBoth(q, k, qNorm, kNorm, layout, decision.fork);
}
