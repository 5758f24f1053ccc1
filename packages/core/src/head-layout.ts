import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";

/** How q and k divide into heads. `tokens` is the product of the leading dimensions, which q and k share. */
export interface HeadLayout {
  readonly leading: readonly number[];
  readonly tokens: number;
  readonly headDim: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
}

/**
 * Reads the head layout from the shapes of q and k: `[..., H*D]` (heads flat) or `[..., H, D]` (heads split).
 *
 * A shape of three or more dimensions whose last is exactly `headDim` counts as split, unless the other tensor of the
 * same rank shows that heads are flat (`[B, T, Hq*D]` beside `[B, T, D]` of a single KV head).
 *
 * Shapes alone cannot tell `[B, T, D]` with a single head each from `[T, H, D]`; the second is meant.
 *
 * Throws `ERR_QKNORM_SHAPE` when a head dim does not divide, the ranks differ, or the leading dimensions differ.
 */
export function resolveHeadLayout(q: readonly number[], k: readonly number[], headDim: number): HeadLayout {
  if (!Number.isSafeInteger(headDim) || headDim <= 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `head dim must be a positive integer, got ${describe(headDim)}`,
    );
  }
  // Written only for an error: this runs on every call of every layer.
  const shapes = (): string => `q ${format(q)}, k ${format(k)}, head dim ${headDim}`;
  if (q.length === 0 || k.length === 0) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `q and k must have at least one dimension: ${shapes()}`);
  }
  if (q.length !== k.length) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `q and k must have the same number of dimensions: ${shapes()}`);
  }
  for (const [side, shape] of [
    ["q", q],
    ["k", k],
  ] as const) {
    const last = shape.at(-1) as number;
    if (last % headDim !== 0) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `the last dimension of ${side} (${last}) is not a multiple of the head dim: ${shapes()}`,
      );
    }
  }
  const split = q.length >= 3 && q.at(-1) === headDim && k.at(-1) === headDim;
  const leadingRank = q.length - (split ? 2 : 1);
  const leading = q.slice(0, leadingRank);
  if (leading.some((dim, i) => dim !== k[i])) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `q and k must hold the same tokens (equal leading dimensions): ${shapes()}`,
    );
  }
  if (!Number.isSafeInteger(elements(q)) || !Number.isSafeInteger(elements(k))) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `q and k must have fewer than 2^53 elements: ${shapes()}`);
  }
  const heads = (shape: readonly number[]): number =>
    split ? (shape.at(-2) as number) : (shape.at(-1) as number) / headDim;
  return {
    leading,
    tokens: elements(leading),
    headDim,
    queryHeads: heads(q),
    kvHeads: heads(k),
  };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** `[2, 7, 128]`, as every message of the project writes a shape. */
export function format(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
