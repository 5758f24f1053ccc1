import type { HeadLayout } from "./head-layout.ts";
import { currentStream, type StreamLike, withStream } from "./stream.ts";
import { type NormLike, normForward, shapeOf, type TensorLike } from "./tensor-like.ts";

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

/** q on the current stream and k on `altStream`, forked and joined by stream order. */
export function normalizeSideBySide<T extends TensorLike<T>>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  layout: HeadLayout,
  altStream: StreamLike,
): [T, T] {
  const main = currentStream(altStream.device) as StreamLike;
  altStream.waitFor(main);
  const nq = normalizeSide(q, qNorm, layout, "q");
  const nk = withStream(altStream, () => normalizeSide(k, kNorm, layout, "k"));
  main.waitFor(altStream);
  return [nq, nk];
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
  const acrossHeads = norm.spec?.axis === "row";
  const rows = acrossHeads
    ? [...layout.leading, heads * layout.headDim]
    : [...layout.leading, heads, layout.headDim];
  const forward = normForward(norm, side);
  if (rows.length === shape.length) return forward(x);
  return forward(x.reshape(rows)).reshape(shape);
}
