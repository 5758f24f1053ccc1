import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import { type HeadLayout, resolveHeadLayout } from "./head-layout.ts";
import { assertNormSpec, type NormSpec } from "./norm-spec.ts";
import {
  claimsBoth,
  type FusedQkNormCall,
  type FusedQkNormProvider,
  fusedQkNormProviders,
  type RefusalCode,
  refusalsOf,
} from "./provider.ts";
import { assertStream, currentStream, isCapturing, type StreamLike } from "./stream.ts";
import { type NormLike, normForward, shapeOf, type TensorLike } from "./tensor-like.ts";

/** Options of `applyQkNorm`. */
export interface QkNormOptions {
  /** A second stream of the same device; the fallback puts K there, only while a graph is captured. */
  readonly altStream?: StreamLike | null | undefined;
  /** Whether q and k may be overwritten. Default true. Always use the returned tensors, in place or not. */
  readonly allowInplace?: boolean | undefined;
  /** `fallback` calls the two norms even where they could be fused, to compare. Default `auto`. */
  readonly path?: "auto" | "fallback" | undefined;
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
  if (typeof request !== "object" || request === null) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `the request must be an object, got ${describe(request)}`);
  }
  const { q, k, qNorm, kNorm, headDim } = request;
  const { altStream, allowInplace, path } = readOptions(request.options);
  const layout = resolveHeadLayout(shapeOf(q, "q"), shapeOf(k, "k"), headDim);
  if (q === k && allowInplace) {
    throw new QkNormError(
      "ERR_QKNORM_OVERLAP",
      "q and k are the same tensor, so neither may be written; pass two, or allowInplace: false",
    );
  }
  assertOneDevice(q, k);
  normForward(qNorm, "q");
  normForward(kNorm, "k");
  const qSpec = specOf(qNorm, "q");
  const kSpec = specOf(kNorm, "k");

  const reasons: FallbackReason[] = [];
  if (path === "fallback") reasons.push({ code: "requested", detail: "the caller asked for the two norms" });
  const claiming = fusedQkNormProviders().filter((provider) => claimsBoth(provider, q, k));
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
  const fork = forkTo(altStream);
  return { plan: { path: "fallback", streams: fork === null ? 1 : 2, reasons, layout }, fork };
}

function readOptions(options: unknown): {
  altStream: StreamLike | null;
  allowInplace: boolean;
  path: "auto" | "fallback";
} {
  if (options === undefined) return { altStream: null, allowInplace: true, path: "auto" };
  if (typeof options !== "object" || options === null) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `options must be an object, got ${describe(options)}`);
  }
  const { altStream = null, allowInplace = true, path = "auto" } = options as QkNormOptions;
  if (typeof allowInplace !== "boolean") {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `allowInplace must be a boolean, got ${describe(allowInplace)}`,
    );
  }
  if (altStream !== null) assertStream(altStream, "altStream");
  if (path !== "auto" && path !== "fallback") {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `path must be auto or fallback, got ${describe(path)}`);
  }
  return { altStream, allowInplace, path };
}

// Tensors that name their device, as most libraries' do: the two norms would run, and attention could not.
function assertOneDevice(q: unknown, k: unknown): void {
  const [mine, theirs] = [q, k].map((x) => (x as { readonly device?: unknown }).device);
  if (typeof mine !== "string" || typeof theirs !== "string" || mine === theirs) return;
  throw new QkNormError("ERR_QKNORM_DEVICE", `q is on ${mine} and k is on ${theirs}; move one of them`);
}

function specOf(norm: { readonly spec?: NormSpec | undefined }, side: string): NormSpec | undefined {
  const { spec } = norm;
  if (spec === undefined) return undefined;
  assertNormSpec(spec, side);
  return spec;
}

// Outside capture, memory freed on one stream could be reused by the other while it still runs; inside, the graph
// keeps its memory. So two streams are for capture alone.
function forkTo(alt: StreamLike | null): Fork | null {
  if (alt === null || !isCapturing()) return null;
  const main = currentStream(alt.device);
  return main === undefined || main === alt ? null : { main, alt };
}
