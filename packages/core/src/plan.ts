import { assertReshapes } from "./fallback.ts";
import type { HeadLayout } from "./head-layout.ts";
import {
  claimsBoth,
  type FusedQkNormCall,
  type FusedQkNormProvider,
  fusedQkNormProviders,
  type RefusalCode,
  refusalsOf,
} from "./provider.ts";
import { type CheckedRequest, checkRequest, fusedCall, type QkNormRequest } from "./request.ts";
import { currentStream, isCapturing, type StreamLike } from "./stream.ts";
import type { TensorLike } from "./tensor-like.ts";

/** Why the fused path was refused: no provider, a norm that cannot be described, or a provider's own refusal. */
export interface FallbackReason {
  readonly code: "requested" | "no-provider" | "no-spec" | "axis-row" | RefusalCode;
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
}

/** Call the two norms one after the other (1 stream) or side by side (2 streams). */
export interface FallbackPlan {
  readonly path: "fallback";
  readonly streams: 1 | 2;
  readonly reasons: readonly FallbackReason[];
  readonly layout: HeadLayout;
}

export type QkNormPlan = FusedPlan | FallbackPlan;

/** The two streams of a fallback: K runs on `alt`, forked from `main` and joined to it. */
export interface Fork {
  readonly main: StreamLike;
  readonly alt: StreamLike;
}

/** A plan with what is needed to run it; `applyQkNorm` is the only one that does. */
export type Decision<T> =
  | { readonly plan: FusedPlan; readonly provider: FusedQkNormProvider<T>; readonly call: FusedQkNormCall<T> }
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

/** `planQkNorm` with the provider at hand. */
export function decide<T>(request: QkNormRequest<T>): Decision<T> {
  const checked = checkRequest(request);
  const { layout, allowInplace, altStream } = checked;
  const claiming = fusedQkNormProviders().filter((provider) => claimsBoth(provider, checked.q, checked.k));
  const reasons = reasonsAgainstAny(checked, claiming.length);
  const call = fusedCall(checked);
  if (reasons.length === 0 && call !== null) {
    for (const provider of claiming) {
      const refusals = refusalsOf(provider, call);
      if (refusals.length === 0) {
        return {
          plan: { path: "fused", provider: provider.name, inPlace: allowInplace, layout },
          provider: provider as FusedQkNormProvider<T>,
          call,
        };
      }
      reasons.push(...refusals.map((refusal) => ({ ...refusal, provider: provider.name })));
    }
  }
  assertReshapes(checked.q as never, request.qNorm as never, layout, "q");
  assertReshapes(checked.k as never, request.kNorm as never, layout, "k");
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
    if (spec === undefined)
      reasons.push({
        code: "no-spec",
        detail: `the ${side} norm declares no spec, so only its own code can run it`,
      });
    else if (spec.axis === "row")
      reasons.push({ code: "axis-row", detail: `the ${side} norm runs across all heads of a token` });
  }
  return reasons;
}

// Outside capture, memory freed on one stream could be reused by the other while it still runs; inside, the graph
// keeps its memory. So two streams are for capture alone.
function forkTo(alt: StreamLike | null): Fork | null {
  if (alt === null || !isCapturing()) return null;
  const main = currentStream(alt.device);
  return main === undefined || main === alt ? null : { main, alt };
}
