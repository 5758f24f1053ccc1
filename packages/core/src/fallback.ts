import type { HeadLayout } from "./head-layout.ts";
import type { Fork } from "./plan.ts";
import { withStream } from "./stream.ts";
import { assertShape, type NormLike, normForward, shapeOf, type TensorLike } from "./tensor-like.ts";

/**
 * Two norms on the current stream: q, then k.
 *
 * q and k are each used exactly once (their handles go into one reshape), so libraries whose operations consume their
 * arguments work as well.
 */
export function normalizeInTurn<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  layout: HeadLayout,
): [T, T] {
  const nq = normalizeSide(q, qNorm, layout, "q");
  const nk = normalizeSide(k, kNorm, layout, "k");
  return [nq, nk];
}

/**
 * q on the current stream and k on the other one, forked and joined by stream order. A norm that throws leaves them
 * joined too: a graph with a loose branch cannot be ended.
 */
export function normalizeSideBySide<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  layout: HeadLayout,
  { main, alt }: Fork,
): [T, T] {
  alt.waitFor(main as never);
  try {
    const nq = normalizeSide(q, qNorm, layout, "q");
    const nk = withStream(alt, () => normalizeSide(k, kNorm, layout, "k"));
    return [nq, nk];
  } finally {
    main.waitFor(alt as never);
  }
}

// The norm sees [..., H, D] (or [..., H*D] when it runs across heads), never [tokens * H, D]: on a strided slice of a
// packed QKV tensor the first is a view, the second a copy, and a [H, D] weight broadcasts only over the first.
function normalizeSide<T extends TensorLike<T>>(
  x: T,
  norm: NormLike<T>,
  layout: HeadLayout,
  side: "q" | "k",
): T {
  const shape = [...shapeOf(x, side)];
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  const rows =
    norm.spec?.axis === "row"
      ? [...layout.leading, heads * layout.headDim]
      : [...layout.leading, heads, layout.headDim];
  const forward = normForward(norm, side);
  const asIs = rows.length === shape.length;
  const y = forward(asIs ? x : x.reshape([...rows]));
  assertShape(y, rows, `the result of the ${side} norm`, "ERR_QKNORM_NORM");
  return asIs ? y : y.reshape(shape);
}
