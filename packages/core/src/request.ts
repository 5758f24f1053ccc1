import { QkNormError, wrongArgument } from "./errors.ts";
import { type HeadLayout, type HeadOrder, headOrders, resolveHeadLayout } from "./head-layout.ts";
import { assertNormSpec, type NormSpec } from "./norm-spec.ts";
import type { FusedQkNormCall } from "./provider.ts";
import { assertStream, type StreamLike } from "./stream.ts";
import { type NormLike, normForward, shapeOf } from "./tensor-like.ts";

/** Options of `applyQkNorm`. */
export interface QkNormOptions {
  /** A second stream of the same device; the fallback puts K there, only while a graph is captured. */
  readonly altStream?: StreamLike | null | undefined;
  /** Whether q and k may be overwritten. Default true. Always use the returned tensors, in place or not. */
  readonly allowInplace?: boolean | undefined;
  /** `fallback` calls the two norms even where they could be fused, to compare. Default `auto`. */
  readonly path?: "auto" | "fallback" | undefined;
  /**
   * `heads-first`: q is `[..., Hq, T, D]` and k `[..., Hkv, T, D]`, as code has them that transposes for attention before
   * it normalises. Default `tokens-first`.
   */
  readonly layout?: HeadOrder | undefined;
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

/** A request whose arguments fit together; everything in it was read once. */
export interface CheckedRequest<T> {
  readonly q: T;
  readonly k: T;
  readonly layout: HeadLayout;
  readonly qSpec: NormSpec | undefined;
  readonly kSpec: NormSpec | undefined;
  readonly altStream: StreamLike | null;
  readonly allowInplace: boolean;
  readonly path: "auto" | "fallback";
}

/** Throws for requests that are wrong on any path, as `planQkNorm` does. */
export function checkRequest<T>(request: QkNormRequest<T>): CheckedRequest<T> {
  if (typeof request !== "object" || request === null) {
    throw wrongArgument("the request must be an object", request);
  }
  const { q, k, qNorm, kNorm, headDim } = request;
  const options = readOptions(request.options);
  const layout = resolveHeadLayout(shapeOf(q, "q"), shapeOf(k, "k"), headDim, options.order);
  assertApart(q, k, options.allowInplace);
  assertOneDevice(q, k);
  normForward(qNorm, "q");
  normForward(kNorm, "k");
  const { altStream, allowInplace, path } = options;
  const [qSpec, kSpec] = [specOf(qNorm, "q"), specOf(kNorm, "k")];
  return { q, k, layout, qSpec, kSpec, altStream, allowInplace, path };
}

/** The request as providers see it; `null` when a norm has no spec. */
export function fusedCall<T>(checked: CheckedRequest<T>): FusedQkNormCall<T> | null {
  const { q, k, qSpec, kSpec, layout, allowInplace } = checked;
  if (qSpec === undefined || kSpec === undefined) return null;
  return { q, k, qSpec, kSpec, layout, allowInplace };
}

/** Options with their defaults. */
export interface ReadOptions {
  readonly altStream: StreamLike | null;
  readonly allowInplace: boolean;
  readonly path: "auto" | "fallback";
  readonly order: HeadOrder;
}

/** Throws `ERR_QKNORM_ARGUMENT` for options that are none. */
export function readOptions(options: unknown = {}): ReadOptions {
  if (typeof options !== "object" || options === null) {
    throw wrongArgument("options must be an object", options);
  }
  const {
    altStream = null,
    allowInplace = true,
    path = "auto",
    layout: order = "tokens-first",
  } = options as QkNormOptions;
  if (typeof allowInplace !== "boolean") {
    throw wrongArgument("allowInplace must be a boolean", allowInplace);
  }
  if (altStream !== null) assertStream(altStream, "altStream");
  if (path !== "auto" && path !== "fallback") {
    throw wrongArgument("path must be auto or fallback", path);
  }
  if (!headOrders.includes(order)) {
    throw wrongArgument(`layout must be ${headOrders.join(" or ")}`, order);
  }
  return { altStream, allowInplace, path, order };
}

/** Throws `ERR_QKNORM_OVERLAP` for one tensor as both, where it would be written. */
export function assertApart(q: unknown, k: unknown, allowInplace: boolean): void {
  if (q !== k || !allowInplace) return;
  throw new QkNormError(
    "ERR_QKNORM_OVERLAP",
    "q and k are the same tensor, so neither may be written; pass two, or allowInplace: false",
  );
}

/**
 * Throws `ERR_QKNORM_DEVICE` for tensors that name two devices, as most libraries' do: the norms would run, and attention
 * could not.
 */
export function assertOneDevice(q: unknown, k: unknown, first = "q", second = "k"): void {
  const [mine, theirs] = [q, k].map((x) => (x as { readonly device?: unknown }).device);
  if (typeof mine !== "string" || typeof theirs !== "string" || mine === theirs) return;
  throw new QkNormError(
    "ERR_QKNORM_DEVICE",
    `${first} is on ${mine} and ${second} is on ${theirs}; move one of them`,
  );
}

/** The spec of a norm, whole, or `undefined`. Throws `ERR_QKNORM_NORM`. */
export function specOf(norm: { readonly spec?: NormSpec | undefined }, side: string): NormSpec | undefined {
  const { spec } = norm;
  if (spec === undefined) return undefined;
  assertNormSpec(spec, side);
  return spec;
}
