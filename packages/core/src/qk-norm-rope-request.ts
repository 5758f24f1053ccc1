import { type CacheLike, type ReadCache, readCache } from "./cache-like.ts";
import { QkNormError, wrongArgument } from "./errors.ts";
import { format, type HeadLayout, resolveHeadLayout } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";
import type { FusedQkNormRopeCall, QkNormRopeOrder, QkNormRopeTensors } from "./qk-norm-rope-provider.ts";
import { assertApart, assertOneDevice, type QkNormOptions, readOptions, specOf } from "./request.ts";
import { type ReadRope, type RopeLike, readRope } from "./rope-like.ts";
import { type NormLike, normForward, shapeOf } from "./tensor-like.ts";

/** What `applyQkNormRope` is told besides q, k and their norms; the rest is as in `applyQkNorm`. */
export interface QkNormRopeOptions<T> extends QkNormOptions {
  /** D. */
  readonly headDim: number;
  /** Null, the default: no positions (NoPE). */
  readonly rope?: RopeLike<T> | null | undefined;
  /** One a token, whatever `rope` takes them as; needed with it. */
  readonly positions?: unknown;
  /** Default `norm-rope`. */
  readonly order?: QkNormRopeOrder | undefined;
  /** `[..., Hkv*D]` or `[..., Hkv, D]`, with the tokens of k: what goes into the cache beside k. Never written. */
  readonly v?: T | null | undefined;
  /** Where k, as returned, and v go. Null, the default: nowhere. */
  readonly cache?: CacheLike<T> | null | undefined;
}

/** What `planQkNormRope` decides about: the arguments of `applyQkNormRope` as one object. */
export interface QkNormRopeRequest<T> {
  readonly q: T;
  readonly k: T;
  readonly qNorm: NormLike<T> | null;
  readonly kNorm: NormLike<T> | null;
  readonly options: QkNormRopeOptions<T>;
}

/** A request whose arguments fit together; everything in it was read once. */
export interface CheckedQkNormRope<T> {
  readonly q: T;
  readonly k: T;
  readonly v: T | null;
  readonly qNorm: NormLike<T> | null;
  readonly kNorm: NormLike<T> | null;
  /** Null without a norm, undefined for one that declares none. */
  readonly qSpec: NormSpec | null | undefined;
  readonly kSpec: NormSpec | null | undefined;
  readonly rope: ReadRope<T> | null;
  readonly positions: unknown;
  readonly cache: ReadCache<T> | null;
  readonly order: QkNormRopeOrder;
  readonly layout: HeadLayout;
  readonly allowInplace: boolean;
  readonly path: "auto" | "fallback";
  /** Those of the `applyQkNorm` call, where the steps run apart. */
  readonly normOptions: QkNormOptions;
}

/** Throws for requests that are wrong on any path, as `planQkNormRope` does. */
export function checkQkNormRope<T>(request: QkNormRopeRequest<T>): CheckedQkNormRope<T> {
  if (typeof request !== "object" || request === null) {
    throw wrongArgument("the request must be an object", request);
  }
  const { q, k, qNorm, kNorm, options } = request;
  if (typeof options !== "object" || options === null) {
    throw wrongArgument("options must be an object with headDim", options);
  }
  const { headDim, rope = null, positions, order = "norm-rope", v = null, cache = null } = options;
  const { altStream, allowInplace, path, order: headOrder } = readOptions(options);
  const layout = resolveHeadLayout(shapeOf(q, "q"), shapeOf(k, "k"), headDim, headOrder);
  assertApart(q, k, allowInplace);
  assertOneDevice(q, k);
  if (qNorm !== null) normForward(qNorm, "q");
  if (kNorm !== null) normForward(kNorm, "k");
  if (order !== "norm-rope" && order !== "rope-norm") {
    throw wrongArgument("order must be norm-rope or rope-norm", order);
  }
  const turns = rope === null ? null : readRope<T>(rope);
  if (turns !== null && (positions === undefined || positions === null)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "rope needs positions, one a token");
  }
  const stores = cache === null ? null : readCache<T>(cache);
  checkValues(v, stores, k, layout);
  return {
    ...{ q, k, v, qNorm, kNorm, positions, order, layout, allowInplace, path },
    qSpec: qNorm === null ? null : specOf(qNorm, "q"),
    kSpec: kNorm === null ? null : specOf(kNorm, "k"),
    rope: turns,
    cache: stores,
    normOptions: { altStream, allowInplace, path, layout: headOrder },
  };
}

/** The request as providers see it; `null` when a part of it is code alone. */
export function fusedQkNormRopeCall<T>(checked: CheckedQkNormRope<T>): FusedQkNormRopeCall<T> | null {
  const { qSpec, kSpec, order } = checked;
  if (qSpec === undefined || kSpec === undefined) return null;
  if (checked.rope?.spec === null || checked.cache?.spec === null) return null;
  const { q, k, v, positions, layout, allowInplace } = checked;
  const [rope, cache] = [checked.rope?.spec ?? null, checked.cache?.spec ?? null];
  return { q, k, v, rope, positions, cache, layout, allowInplace, qSpec, kSpec, order };
}

/** What a provider has to do of a request that is not fused: whatever was given as data alone. */
export function tensorsForSteps<T>(checked: CheckedQkNormRope<T>): QkNormRopeTensors<T> {
  const { q, k, v, rope, positions, cache, layout, allowInplace } = checked;
  return {
    ...{ q, k, v, positions, layout, allowInplace },
    rope: rope !== null && rope.turn === null ? rope.spec : null,
    cache: cache !== null && cache.write === null ? cache.spec : null,
  };
}

function checkValues<T>(v: T | null, cache: ReadCache<T> | null, k: T, layout: HeadLayout): void {
  if ((v === null) !== (cache === null)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      v === null ? "a cache needs v beside k" : "v has nowhere to go: pass a cache, or leave v out",
    );
  }
  if (v === null) return;
  assertOneDevice(k, v, "k", "v");
  const shape = shapeOf(v, "v");
  if (shapesOfValues(layout).some((fit) => fit.join() === shape.join())) return;
  throw new QkNormError(
    "ERR_QKNORM_SHAPE",
    `v must have the tokens and heads of k, ${format(shapeOf(k, "k"))}, got ${format(shape)}`,
  );
}

function shapesOfValues({ order, leading, kvHeads, headDim }: HeadLayout): number[][] {
  if (order === "heads-first") {
    return [[...leading.slice(0, -1), kvHeads, leading.at(-1) as number, headDim]];
  }
  return [
    [...leading, kvHeads * headDim],
    [...leading, kvHeads, headDim],
  ];
}
