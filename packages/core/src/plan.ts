import { assertNormFits } from "./fallback.ts";
import type { HeadLayout } from "./head-layout.ts";
import type { FusedQkNormCall, FusedQkNormProvider, PreparedQkNorm } from "./provider.ts";
import type { Refusal, RefusalCode } from "./refusal.ts";
import { answerOf, claimsBoth, fusedQkNormProviders } from "./registry.ts";
import { type CheckedRequest, checkRequest, fusedCall, type QkNormRequest } from "./request.ts";
import { type Fork, forkTo } from "./stream.ts";
import type { TensorLike } from "./tensor-like.ts";

/**
 * Why the fused path was refused: no provider, a norm that cannot be described, or a provider's own refusal; for loggers also
 * `slow-kernel`, that it was taken and could be faster.
 */
export interface FallbackReason {
  readonly code: "requested" | "no-provider" | "no-spec" | "slow-kernel" | RefusalCode;
  readonly detail: string;
  /** The provider that refused, where one did. */
  readonly provider?: string;
}

/** Run the fused kernel of this provider. */
export interface FusedPlan {
  readonly path: "fused";
  readonly provider: string;
  readonly inPlace: boolean;
  readonly layout: HeadLayout;
  /** What would make it faster here, as the provider says. */
  readonly advice?: string | null | undefined;
}

/** Call the two norms one after the other (1 stream) or side by side (2 streams). */
export interface FallbackPlan {
  readonly path: "fallback";
  readonly streams: 1 | 2;
  readonly reasons: readonly FallbackReason[];
  readonly layout: HeadLayout;
}

export type QkNormPlan = FusedPlan | FallbackPlan;

/** A plan with what is needed to run it; `applyQkNorm` is the only one that does. */
export type Decision<T> =
  | {
      readonly plan: FusedPlan;
      readonly provider: FusedQkNormProvider<T>;
      readonly call: FusedQkNormCall<T>;
      readonly prepared: PreparedQkNorm<T>;
    }
  | { readonly plan: FallbackPlan; readonly fork: Fork | null };

/**
 * Decides how `applyQkNorm` would run a request, and runs nothing: q, k and the norms are only looked at.
 *
 * Throws `QkNormError` for requests that are wrong on any path (`ERR_QKNORM_SHAPE`, `ERR_QKNORM_ARGUMENT`,
 * `ERR_QKNORM_NORM`, `ERR_QKNORM_OVERLAP`) and for a provider that breaks its contract (`ERR_QKNORM_PROVIDER`).
 * Everything that merely prevents the fused path is a named reason instead.
 */
export function planQkNorm<T extends TensorLike<T>>(request: QkNormRequest<T>): QkNormPlan {
  return decide(request).plan;
}

/** `planQkNorm` with what was prepared at hand: what the plan calls fused runs without a further question. */
export function decide<T>(request: QkNormRequest<T>): Decision<T> {
  const checked = checkRequest(request);
  const { layout, altStream } = checked;
  const claiming = fusedQkNormProviders().filter((provider) => claimsBoth(provider, checked.q, checked.k));
  const reasons = reasonsAgainstAny(checked, claiming.length);
  const call = fusedCall(checked);
  if (reasons.length === 0 && call !== null) {
    for (const claimed of claiming) {
      const provider = claimed as FusedQkNormProvider<T>;
      const answer = answerOf(provider, call);
      if (!isRefused(answer)) {
        const { name, advice } = provider;
        const plan = { path: "fused", provider: name, inPlace: answer.inPlace, layout, advice } as const;
        return { plan, provider, call, prepared: answer };
      }
      reasons.push(...answer.map((refusal) => ({ ...refusal, provider: provider.name })));
    }
  }
  assertNormFits(checked.q as never, request.qNorm as never, layout, "q");
  assertNormFits(checked.k as never, request.kNorm as never, layout, "k");
  const fork = forkTo(altStream);
  return { plan: { path: "fallback", streams: fork === null ? 1 : 2, reasons, layout }, fork };
}

function reasonsAgainstAny(checked: CheckedRequest<unknown>, claiming: number): FallbackReason[] {
  const { path, qSpec, kSpec } = checked;
  const reasons: FallbackReason[] = [];
  if (path === "fallback") reasons.push({ code: "requested", detail: "the caller asked for the two norms" });
  if (claiming === 0) {
    reasons.push({ code: "no-provider", detail: "no registered provider claims both tensors" });
  }
  for (const [side, spec] of [
    ["q", qSpec],
    ["k", kSpec],
  ] as const) {
    if (spec !== undefined) continue;
    const detail = `the ${side} norm declares no spec, so only its own code can run it`;
    reasons.push({ code: "no-spec", detail });
  }
  return reasons;
}

function isRefused<T>(answer: PreparedQkNorm<T> | readonly Refusal[]): answer is readonly Refusal[] {
  return Array.isArray(answer);
}
