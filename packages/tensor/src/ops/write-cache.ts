import { type FloatDtype, QkNormError } from "@qknorm/core";
import { cacheDtypes } from "../dtype.ts";
import type { Indices } from "../indices.ts";
import type { CacheWriteScales } from "../op-specs.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import type { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { requirePair, requireWriteScales, scaleTensors } from "./cache-checks.ts";
import { backendOfAll, requireShape, requireWithin } from "./checks.ts";
import { convert } from "./convert.ts";

/** Memory of keys and values, and where the rows of new tokens go. */
export interface CacheTarget {
  /** `[S, Hkv, D]`, of any float dtype or e4m3. */
  readonly kCache: Tensor;
  readonly vCache: Tensor;
  /** `[T]`. */
  readonly slots: Indices;
  /** With memories of e4m3, and only with them. */
  readonly scales: CacheWriteScales<Tensor> | null;
}

/**
 * Writes keys and values into their caches: token `t` of `k` and `v` `[T, Hkv, D]` goes to slot `slots[t]` of `kCache` and
 * `vCache` `[S, Hkv, D]`, each value rounded once to the caches' dtype. In a paged cache a slot is
 * `page * pageSize + offset`. Slots of one call differ; nothing but they is written. A token whose slot is below 0
 * (`Indices.slots`), or that a device put past the caches, goes nowhere; of the latter the next wait tells (`Indices.onDevice`).
 *
 * Caches of e4m3 hold `x * (1 / scale)`, both in f32, for the scale of slot and head in f32 `[S, Hkv]`: `scaleE4m3` of the
 * row's largest magnitude, which is written, or one that is given. What is larger than 448 becomes 448, NaN stays.
 *
 * A backend without the op has it composed of copies, for slots that the host knows and caches without scales.
 *
 * @throws QkNormError before anything is written: `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE` for k and v, or two caches, of
 *   unequal dtypes, `ERR_QKNORM_ARGUMENT` for a slot that a cache does not have or that stands twice, and for e4m3 without scales,
 *   `ERR_QKNORM_OVERLAP` for caches that share memory with each other, with themselves or with k and v,
 *   `ERR_QKNORM_DEVICE`
 */
export function writeCache(
  k: Tensor,
  v: Tensor,
  kCache: Tensor,
  vCache: Tensor,
  slots: Indices,
  scales: CacheWriteScales<Tensor> | null = null,
): void {
  requirePair({ k, v }, "tokens");
  const target = { kCache, vCache, slots, scales };
  checkCacheTarget(target, k.shape as readonly [number, number, number], { k, v });
  const backend = backendOfAll({ kCache, vCache, k, v, ...tensorsOf(target) });
  if (k.size === 0) return;
  const op = backend.ops.writeCache;
  if (op === undefined) composedWrite(k, v, target);
  else op(k, v, kCache, vCache, slots, scales);
}

/**
 * What a cache write of `[T, Hkv, D]` needs of its memory; `read` are the tensors that it may not share with.
 * Throws as `writeCache` does.
 */
export function checkCacheTarget(
  target: CacheTarget,
  [tokens, kvHeads, headDim]: readonly [tokens: number, kvHeads: number, headDim: number],
  read: Readonly<Record<string, Tensor>>,
): void {
  const { kCache, vCache, slots, scales } = target;
  requirePair({ kCache, vCache }, "slots", cacheDtypes);
  requireShape(
    kCache.shape[1] === kvHeads && kCache.shape[2] === headDim,
    `a cache must have the heads and the D of k, ${kvHeads} of ${headDim}`,
    { kCache },
  );
  requireWithin(slots, kCache.shape[0] as number, "slot");
  if (slots.length !== tokens) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `slots must be one a token: ${slots.length} for ${tokens} tokens`,
    );
  }
  if (!slots.distinct)
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "slots of one call must differ: one of them stands twice");
  requireWriteScales(scales, kCache);
  checkApart(target, read);
}

/** The tensors of a target by their names, without those that it lacks. */
export function tensorsOf({ kCache, vCache, scales }: CacheTarget): Record<string, Tensor> {
  return { kCache, vCache, ...scaleTensors(scales) };
}

function checkApart(target: CacheTarget, read: Readonly<Record<string, Tensor>>): void {
  const { kCache, vCache, scales } = target;
  const own = tensorsOf(target);
  const written = scales?.mode === "computed" ? own : { kCache, vCache };
  for (const [name, x] of Object.entries(written)) {
    assertNoSelfOverlap(x, name);
    for (const [otherName, other] of Object.entries({ ...own, ...read })) {
      if (otherName === name || !mayShareMemory(x, other)) continue;
      throw new QkNormError(
        "ERR_QKNORM_OVERLAP",
        `writeCache writes ${name}, which shares memory with ${otherName}`,
      );
    }
  }
}

/** A copy for each run of neighbouring slots. */
function composedWrite(k: Tensor, v: Tensor, { kCache, vCache, slots, scales }: CacheTarget): void {
  const { values } = slots;
  if (scales !== null) {
    throw new QkNormError("ERR_QKNORM_DEVICE", `${k.device} has no writeCache for caches with scales`);
  }
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
        if (slot < 0) continue;
        cache.slice(0, slot, slot + end - start).copyFrom(from.slice(0, start, end));
      }
    }
  });
}

/** Where values that count up by one begin and end. */
function* runsOf(values: Int32Array): Generator<readonly [start: number, end: number]> {
  for (let start = 0, end = 1; start < values.length; start = end++) {
    const skipped = (values[start] as number) < 0;
    while (!skipped && end < values.length && values[end] === (values[end - 1] as number) + 1) end++;
    yield [start, end];
  }
}
