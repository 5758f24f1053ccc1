import { describe } from "./describe.ts";
import { QkNormError, wrongArgument } from "./errors.ts";
import { assertObjectOrNull } from "./plain-argument.ts";

/**
 * Where the keys and values of new tokens go: row `slots[t]` of each memory, for token t. In pages,
 * `slot = page * pageSize + offset`. A slot below 0 or past the memory writes nothing; of two tokens with one slot, either
 * may stay.
 */
export interface CacheSlots<T = unknown, Slots = unknown> {
  /** `[S, Hkv, D]`, of q's dtype or another float dtype, or 8-bit with scales. */
  readonly k: T;
  readonly v: T;
  /** `[T]`. */
  readonly slots: Slots;
  /** f32 `[S, Hkv]`, for memories of 8 bits: a value is what is stored times its scale. */
  readonly kScale?: T | null | undefined;
  readonly vScale?: T | null | undefined;
  /** `computed`, the default: written for each token and head, its largest magnitude over 448. `given`: read. */
  readonly scales?: "computed" | "given" | undefined;
}

/** A write as code; `k` and `v` are `[..., Hkv, D]` (`[..., Hkv, T, D]` with heads first). With `spec` it can be fused. */
export interface CacheWriter<T> {
  write(k: T, v: T): void;
  readonly spec?: CacheSlots | undefined;
}

/** What `applyQkNormRope` takes as `cache`. Data alone is for tensors that a provider can write. */
export type CacheLike<T> = CacheSlots<T> | CacheWriter<T>;

/** A cache that was read once: as data, as code, or both. */
export interface ReadCache<T> {
  readonly spec: CacheSlots | null;
  readonly write: ((k: T, v: T) => void) | null;
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is neither slots nor a writer, or lacks a part. */
export function readCache<T>(cache: CacheLike<T>): ReadCache<T> {
  if (typeof cache === "object" && cache !== null) {
    const { write, k, spec } = cache as Partial<CacheWriter<T> & CacheSlots<T>>;
    if (typeof write === "function") {
      const writer = cache as CacheWriter<T>;
      const data = spec === undefined ? null : checked(spec);
      return { spec: data, write: (keys, values) => writer.write(keys, values) };
    }
    if (k !== undefined) return { spec: checked(cache as CacheSlots<T>), write: null };
  }
  throw wrongArgument("cache must be memory (k, v, slots), an object with write, or null", cache);
}

/**
 * Whether two caches are the same memory, written in the same way; slots may differ. Throws `ERR_QKNORM_ARGUMENT` for no
 * object.
 */
export function sameCacheMemory(a: CacheSlots | null, b: CacheSlots | null): boolean {
  assertObjectOrNull(a, "a cache");
  assertObjectOrNull(b, "a cache");
  if (a === null || b === null) return a === b;
  return (
    a.k === b.k &&
    a.v === b.v &&
    (a.kScale ?? null) === (b.kScale ?? null) &&
    (a.vScale ?? null) === (b.vScale ?? null) &&
    (a.scales ?? "computed") === (b.scales ?? "computed")
  );
}

function checked(cache: CacheSlots): CacheSlots {
  const fail = (what: string): never => {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `cache ${what}`);
  };
  if (typeof cache !== "object" || cache === null) return fail(`has spec ${describe(cache)}`);
  const { k, v, slots, kScale = null, vScale = null, scales = "computed" } = cache;
  if (k === undefined || v === undefined) fail("needs both memories, k and v");
  if (slots === undefined) fail("needs slots, one a token");
  if ((kScale === null) !== (vScale === null)) fail("needs scales for both of k and v, or for none");
  if (scales !== "computed" && scales !== "given") {
    fail(`has scales ${describe(scales)}; they must be "computed" or "given"`);
  }
  return Object.freeze({ k, v, slots, kScale, vScale, scales });
}
