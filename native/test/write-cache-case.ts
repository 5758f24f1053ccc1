// A cache as data, with memory around it that nothing may touch.
import type { CacheArray, CacheTarget } from "../src/index.ts";
import { Guarded, gauss } from "./ops-case.ts";
import { randomFrom } from "./qk-norm-case.ts";

export interface GuardedCache {
  readonly target: Omit<CacheTarget, "slots">;
  readonly memory: readonly CacheArray[];
}

/** Slots that the caches of tests have. */
export const slotCount = 7;

/** Keys and values `[slots, heads, headDim]` with gaps, and in e4m3 their scales. */
export function guardedCache(
  cacheDtype: CacheTarget["cacheDtype"],
  mode: "computed" | "given",
  heads: number,
  headDim: number,
  seed: number,
  slots: number = slotCount,
): GuardedCache {
  const float = (i: number, row: number) => {
    const dtype = cacheDtype === "e4m3" ? "f32" : cacheDtype;
    return new Guarded(dtype, slots, heads, row, gauss(seed + i));
  };
  const [kCache, vCache] = [float(11, headDim), float(12, headDim)].map((x) => {
    const { offset, tokenStride, headStride, data } = x;
    const random = randomFrom(seed);
    const memory =
      cacheDtype === "e4m3" ? Uint8Array.from({ length: data.length }, () => random() * 256) : data;
    return { data: memory, offset, tokenStride, headStride };
  }) as [CacheTarget["kCache"], CacheTarget["vCache"]];
  if (cacheDtype !== "e4m3") {
    return {
      target: { cacheDtype, slotCount: slots, kCache, vCache, scales: null },
      memory: [kCache.data, vCache.data],
    };
  }
  const [k, v] = [13, 14].map((i) => {
    const random = randomFrom(seed + i);
    const { offset, tokenStride, headStride, data } = new Guarded(
      "f32",
      slots,
      heads,
      1,
      () => random() + 0.1,
    );
    return { data: data as Float32Array, offset, tokenStride, headStride };
  }) as [NonNullable<CacheTarget["scales"]>["k"], NonNullable<CacheTarget["scales"]>["v"]];
  return {
    target: { cacheDtype, slotCount: slots, kCache, vCache, scales: { mode, k, v } },
    memory: [kCache.data, vCache.data, k.data, v.data],
  };
}

/** A slot for each token: different ones, -1, or past the cache. */
export function slotsOf(tokens: number, seed: number, slots: number = slotCount): Int32Array {
  return Int32Array.from({ length: tokens }, (_, t) => {
    const slot = (t * 3 + seed) % slots;
    return t >= slots ? slots + t : (seed + t) % 4 === 3 ? -1 : slot;
  });
}
