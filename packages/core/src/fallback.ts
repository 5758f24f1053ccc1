import { QkNormError } from "./errors.ts";
import { format, type HeadLayout } from "./head-layout.ts";
import { type Fork, withStream } from "./stream.ts";
import { assertShape, type NormLike, normForward, shapeOf, type TensorLike } from "./tensor-like.ts";

/**
 * Two norms: q, then k, on the current stream; or k on the other one, forked and joined by stream order. A norm that
 * throws leaves them joined too: a graph with a loose branch cannot be ended.
 *
 * q and k are each used exactly once (their handles go into one reshape), so libraries whose operations consume their
 * arguments work as well.
 */
export function normalizeBoth<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  layout: HeadLayout,
  fork: Fork | null,
): [T, T] {
  fork?.alt.waitFor(fork.main as never);
  try {
    const nq = normalizeSide(q, qNorm, layout, "q");
    const other = () => normalizeSide(k, kNorm, layout, "k");
    return [nq, fork === null ? other() : withStream(fork.alt, other)];
  } finally {
    fork?.main.waitFor(fork.alt as never);
  }
}

/**
 * Throws `ERR_QKNORM_ARGUMENT` when a norm needs to see a tensor in another shape and the tensor has no reshape, and
 * `ERR_QKNORM_NORM` when it cannot be right for heads that come first: it runs across heads, or has a weight for each.
 * Looks only, so that nothing is normalised when k is the one that lacks it.
 */
export function assertNormFits<T extends TensorLike<T>>(
  x: T,
  norm: NormLike<T>,
  layout: HeadLayout,
  side: "q" | "k",
): void {
  if (layout.order === "heads-first") assertHeadsMayComeFirst(norm, layout, side);
  const shape = shapeOf(x, side);
  const rows = rowsOf(norm, layout, side);
  if (rows.length === shape.length || typeof x.reshape === "function") return;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    `${side} ${format(shape)} has no reshape method, and its norm needs it as ${format(rows)}; pass it in that shape`,
  );
}

// A [H, D] weight would meet the tokens' axis, and a row of all heads is not one row of memory.
function assertHeadsMayComeFirst<T>(norm: NormLike<T>, { headDim }: HeadLayout, side: "q" | "k"): void {
  const { spec } = norm;
  if (spec === undefined) return;
  const { axis, weight } = spec;
  const shape = (weight as { readonly shape?: unknown } | null)?.shape;
  const forEach = Array.isArray(shape) && shape.reduce((size, dim) => size * dim, 1) > headDim;
  if (axis !== "row" && !forEach) return;
  throw new QkNormError(
    "ERR_QKNORM_NORM",
    `the ${side} norm ${axis === "row" ? "runs across heads" : "has a weight for each head"}, and the heads come first; normalise before the transpose`,
  );
}

/** One norm over one side, which it sees as `[..., H, D]` or as its axis needs it. Throws `ERR_QKNORM_NORM` for its result. */
export function normalizeSide<T extends TensorLike<T>>(
  x: T,
  norm: NormLike<T>,
  layout: HeadLayout,
  side: "q" | "k",
): T {
  const shape = [...shapeOf(x, side)];
  const rows = rowsOf(norm, layout, side);
  const forward = normForward(norm, side);
  const asIs = rows.length === shape.length;
  const y = forward(asIs ? x : reshaped(x, [...rows]));
  assertShape(y, rows, `the result of the ${side} norm`, "ERR_QKNORM_NORM");
  return asIs ? y : reshaped(y, shape);
}

// The norm sees [..., H, D] (or [..., H*D] when it runs across heads), never [tokens * H, D]: on a strided slice of a
// packed QKV tensor the first is a view, the second a copy, and a [H, D] weight broadcasts only over the first. Heads
// first, it sees them as they come.
function rowsOf<T>(norm: NormLike<T>, layout: HeadLayout, side: "q" | "k"): readonly number[] {
  const { order, leading, headDim } = layout;
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  if (order === "heads-first") return [...leading.slice(0, -1), heads, leading.at(-1) as number, headDim];
  return norm.spec?.axis === "row" ? [...leading, heads * headDim] : [...leading, heads, headDim];
}

function reshaped<T extends TensorLike<T>>(x: T, shape: number[]): T {
  if (typeof x.reshape === "function") return x.reshape(shape);
  throw new QkNormError(
    "ERR_QKNORM_NORM",
    `a norm returned a tensor without the reshape method that its argument had`,
  );
}
