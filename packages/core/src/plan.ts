import { QkNormError } from "./errors.ts";
import { type HeadLayout, resolveHeadLayout } from "./head-layout.ts";
import { assertNormSpec, type NormSpec } from "./norm-spec.ts";
import {
  type FusedQkNormCall,
  type FusedQkNormProvider,
  fusedQkNormProviders,
  type RefusalCode,
} from "./provider.ts";
import { currentStream, isCapturing, type StreamLike } from "./stream.ts";
import { type NormLike, normForward, shapeOf, type TensorLike } from "./tensor-like.ts";

/** Options of `applyQkNorm`. */
export interface QkNormOptions {
  /** A second stream of the same device; the fallback puts K there, only while a graph is captured. */
  readonly altStream?: StreamLike | null | undefined;
  /** Whether q and k may be overwritten. Default true. Always use the returned tensors, in place or not. */
  readonly allowInplace?: boolean | undefined;
}

/** What `planQkNorm` decides about: the arguments of `applyQkNorm` as one object. */
export interface QkNormRequest<T> {
  readonly q: T;
  readonly k: T;
  readonly qNorm: NormLike<T>;
  readonly kNorm: NormLike<T>;
  readonly headDim: number;
  readonly options?: QkNormOptions | undefined;
}

/** Why the fused path was refused: no provider, a norm that cannot be described, or a provider's own refusal. */
export interface FallbackReason {
  readonly code: "no-provider" | "no-spec" | "axis-row" | RefusalCode;
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

/** A plan with what is needed to run it; `applyQkNorm` is the only one that does. */
export type Decision<T> =
  | { readonly plan: FusedPlan; readonly provider: FusedQkNormProvider<T>; readonly call: FusedQkNormCall<T> }
  | { readonly plan: FallbackPlan };

/**
 * Decides how `applyQkNorm` would run a request, and runs nothing: q, k and the norms are only looked at.
 *
 * Throws `QkNormError` for requests that are wrong on any path (`ERR_QKNORM_SHAPE`, `ERR_QKNORM_ARGUMENT`,
 * `ERR_QKNORM_NORM`, `ERR_QKNORM_OVERLAP`). Everything that merely prevents the fused path is a named reason instead.
 */
export function planQkNorm<T extends TensorLike<T>>(request: QkNormRequest<T>): QkNormPlan {
  return decide(request).plan;
}

/** `planQkNorm` with the provider at hand. */
export function decide<T>(request: QkNormRequest<T>): Decision<T> {
  const { q, k, qNorm, kNorm, headDim } = request;
  const { altStream, allowInplace } = readOptions(request.options);
  const layout = resolveHeadLayout(shapeOf(q, "q"), shapeOf(k, "k"), headDim);
  normForward(qNorm, "q");
  normForward(kNorm, "k");
  const qSpec = specOf(qNorm, "q");
  const kSpec = specOf(kNorm, "k");

  const reasons: FallbackReason[] = [];
  const claiming = fusedQkNormProviders().filter((provider) => provider.claims(q) && provider.claims(k));
  if (claiming.length === 0) {
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
  if (reasons.length === 0 && qSpec !== undefined && kSpec !== undefined) {
    const call: FusedQkNormCall<T> = { q, k, qSpec, kSpec, layout, allowInplace };
    for (const provider of claiming) {
      const refusals = provider.refusals(call);
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
  return { plan: { path: "fallback", streams: canFork(altStream) ? 2 : 1, reasons, layout } };
}

function readOptions(options: unknown): { altStream: StreamLike | null; allowInplace: boolean } {
  if (options === undefined) return { altStream: null, allowInplace: true };
  if (typeof options !== "object" || options === null) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `options must be an object, got ${options === null ? "null" : typeof options}`,
    );
  }
  const { altStream = null, allowInplace = true } = options as QkNormOptions;
  if (typeof allowInplace !== "boolean") {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `allowInplace must be a boolean, got ${typeof allowInplace}`,
    );
  }
  if (altStream !== null && typeof altStream?.waitFor !== "function") {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "altStream must be a stream with device and waitFor");
  }
  return { altStream, allowInplace };
}

function specOf(norm: { readonly spec?: NormSpec | undefined }, side: string): NormSpec | undefined {
  const { spec } = norm;
  if (spec === undefined) return undefined;
  assertNormSpec(spec, side);
  return spec;
}

// Outside capture, memory freed on one stream could be reused by the other while it still runs; inside, the graph
// keeps its memory. So two streams are for capture alone.
function canFork(altStream: StreamLike | null): altStream is StreamLike {
  if (altStream === null || !isCapturing()) return false;
  const main = currentStream(altStream.device);
  return main !== undefined && main !== altStream;
}
