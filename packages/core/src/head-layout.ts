import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";

/** Which comes first where heads have an axis of their own: `[..., T, H, D]` or `[..., H, T, D]`. */
export type HeadOrder = "tokens-first" | "heads-first";

export const headOrders: readonly HeadOrder[] = ["tokens-first", "heads-first"];

/** How q and k divide into heads. `tokens` is the product of the leading dimensions, which q and k share. */
export interface HeadLayout {
  readonly order: HeadOrder;
  /** The dimensions of the tokens; heads first, the last of them comes behind the heads. */
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
 * Heads first, the shape is `[..., H, T, D]`.
 *
 * Shapes alone cannot tell `[B, T, D]` with a single head each from `[T, H, D]`; the second is meant.
 *
 * Throws `ERR_QKNORM_SHAPE` when a head dim does not divide, the ranks differ, or the leading dimensions differ.
 */
export function resolveHeadLayout(
  q: readonly number[],
  k: readonly number[],
  headDim: number,
  order: HeadOrder = "tokens-first",
): HeadLayout {
  if (!Number.isSafeInteger(headDim) || headDim <= 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `head dim must be a positive integer, got ${describe(headDim)}`,
    );
  }
  const fail = (what: string): never => {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${what}: q ${format(q)}, k ${format(k)}, head dim ${headDim}${order === "heads-first" ? ", heads first" : ""}`,
    );
  };
  if (q.length === 0 || k.length === 0) fail("q and k must have at least one dimension");
  if (q.length !== k.length) fail("q and k must have the same number of dimensions");
  const sides = order === "heads-first" ? headsFirst(q, k, headDim, fail) : tokensFirst(q, k, headDim, fail);
  const { leading } = sides;
  if (leading.q.some((dim, i) => dim !== leading.k[i])) {
    fail("q and k must hold the same tokens (equal leading dimensions)");
  }
  if (!Number.isSafeInteger(elements(q)) || !Number.isSafeInteger(elements(k))) {
    fail("q and k must have fewer than 2^53 elements");
  }
  return {
    order,
    leading: leading.q,
    tokens: elements(leading.q),
    headDim,
    queryHeads: sides.heads.q,
    kvHeads: sides.heads.k,
  };
}

type Sides<T> = { readonly q: T; readonly k: T };
type Shape = readonly number[];
type Read = { readonly leading: Sides<Shape>; readonly heads: Sides<number> };

function tokensFirst(q: Shape, k: Shape, headDim: number, fail: (what: string) => never): Read {
  for (const [side, shape] of [
    ["q", q],
    ["k", k],
  ] as const) {
    const last = shape.at(-1) as number;
    if (last % headDim !== 0) {
      fail(`the last dimension of ${side} (${last}) is not a multiple of the head dim`);
    }
  }
  const split = q.length >= 3 && q.at(-1) === headDim && k.at(-1) === headDim;
  const rank = q.length - (split ? 2 : 1);
  const heads = (shape: Shape): number =>
    split ? (shape.at(-2) as number) : (shape.at(-1) as number) / headDim;
  return { leading: { q: q.slice(0, rank), k: k.slice(0, rank) }, heads: { q: heads(q), k: heads(k) } };
}

function headsFirst(q: Shape, k: Shape, headDim: number, fail: (what: string) => never): Read {
  if (q.length < 3 || q.at(-1) !== headDim || k.at(-1) !== headDim) {
    fail("heads first, q and k must be [..., heads, tokens, head dim]");
  }
  const leading = (shape: Shape): Shape => [...shape.slice(0, -3), shape.at(-2) as number];
  return {
    leading: { q: leading(q), k: leading(k) },
    heads: { q: q.at(-3) as number, k: k.at(-3) as number },
  };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** `[2, 7, 128]`, as every message of the project writes a shape. */
export function format(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** `format` for what comes from outside. Throws `ERR_QKNORM_SHAPE` for what is no array of numbers. */
export function formatShape(shape: readonly number[]): string {
  const wrong = Array.isArray(shape) ? shape.find((dim) => typeof dim !== "number") : shape;
  if (!Array.isArray(shape) || wrong !== undefined) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `a shape must be an array of numbers, got ${describe(wrong)}`);
  }
  return format(shape);
}
