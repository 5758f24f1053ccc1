import { type FloatDtype, QkNormError } from "@qknorm/core";
import type { Indices } from "../indices.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import { lastAxisIsDense } from "../strides.ts";
import type { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { backendOfAll, requireShape, requireTensor, requireWithin } from "./checks.ts";
import { convert } from "./convert.ts";

/**
 * Writes keys and values into their caches: token `t` of `k` and `v` `[T, Hkv, D]` goes to slot `slots[t]` of `kCache` and
 * `vCache` `[S, Hkv, D]`, each value rounded once to the caches' dtype. In a paged cache a slot is
 * `page * pageSize + offset`. Slots of one call differ; nothing but they is written.
 *
 * A backend without the op has it composed of copies, for slots that the host knows.
 *
 * @throws QkNormError before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE` for k and v, or two caches, of
 *   unequal dtypes, `ERR_QKNORM_ARGUMENT` for a slot that a cache does not have, `ERR_QKNORM_OVERLAP` for caches that share
 *   memory with each other, with themselves or with k and v, `ERR_QKNORM_DEVICE`
 */
export function writeCache(k: Tensor, v: Tensor, kCache: Tensor, vCache: Tensor, slots: Indices): void {
  requirePair({ k, v }, "tokens");
  requireCaches({ kCache, vCache }, k);
  requireWithin(slots, kCache.shape[0] as number, "slot");
  if (slots.length !== k.shape[0]) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `slots must be one a token: ${slots.length} for ${k.shape[0]} tokens`,
    );
  }
  const backend = backendOfAll({ kCache, vCache, k, v });
  requireApart(k, v, kCache, vCache);
  if (k.size === 0) return;
  const op = backend.ops.writeCache;
  if (op === undefined) composedWrite(k, v, kCache, vCache, slots);
  else op(k, v, kCache, vCache, slots, null);
}

/** Throws unless both tensors are `[N, H, D]` of one shape and dtype, the last axis dense. */
export function requirePair(pair: Readonly<Record<string, Tensor>>, rows: "tokens" | "slots"): void {
  for (const [name, x] of Object.entries(pair)) {
    requireTensor(x, name);
    requireShape(
      x.shape.length === 3 && lastAxisIsDense(x),
      `${name} must be [${rows}, heads, D] with a dense last axis`,
      { [name]: x },
    );
  }
  const [[first, a], [second, b]] = Object.entries(pair) as [[string, Tensor], [string, Tensor]];
  requireShape(
    a.shape.every((dim, axis) => dim === b.shape[axis]),
    `${first} and ${second} must have one shape`,
    pair,
  );
  if (a.dtype !== b.dtype) {
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `${first} and ${second} must have one dtype: they are ${a.dtype} and ${b.dtype}`,
    );
  }
}

/** Throws unless the two caches are alike and fit `k [T, Hkv, D]`. */
function requireCaches(caches: { readonly kCache: Tensor; readonly vCache: Tensor }, k: Tensor): void {
  requirePair(caches, "slots");
  const { kCache } = caches;
  requireShape(
    kCache.shape[1] === k.shape[1] && kCache.shape[2] === k.shape[2],
    "a cache must have the heads and the D of k",
    { k, kCache },
  );
}

function requireApart(k: Tensor, v: Tensor, kCache: Tensor, vCache: Tensor): void {
  assertNoSelfOverlap(kCache, "kCache");
  assertNoSelfOverlap(vCache, "vCache");
  const pairs: [string, Tensor, string, Tensor][] = [
    ["kCache", kCache, "vCache", vCache],
    ...Object.entries({ k, v }).flatMap(([name, x]): [string, Tensor, string, Tensor][] => [
      ["kCache", kCache, name, x],
      ["vCache", vCache, name, x],
    ]),
  ];
  for (const [written, cache, name, other] of pairs) {
    if (!mayShareMemory(cache, other)) continue;
    throw new QkNormError(
      "ERR_QKNORM_OVERLAP",
      `writeCache writes ${written}, which shares memory with ${name}`,
    );
  }
}

/** A copy for each run of neighbouring slots. */
function composedWrite(k: Tensor, v: Tensor, kCache: Tensor, vCache: Tensor, slots: Indices): void {
  const { values } = slots;
  if (values === null) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${k.device} has no writeCache, and composes it for slots that the host knows: read them first`,
    );
  }
  const dtype = kCache.dtype as FloatDtype;
  tidy(() => {
    for (const [from, cache] of [
      [convert(k, dtype), kCache],
      [convert(v, dtype), vCache],
    ] as const) {
      for (const [start, end] of runsOf(values)) {
        const slot = values[start] as number;
        cache.slice(0, slot, slot + end - start).copyFrom(from.slice(0, start, end));
      }
    }
  });
}

/** Where values that count up by one begin and end. */
function* runsOf(values: Int32Array): Generator<readonly [start: number, end: number]> {
  for (let start = 0, end = 1; start < values.length; start = end++) {
    while (end < values.length && values[end] === (values[end - 1] as number) + 1) end++;
    yield [start, end];
  }
}
