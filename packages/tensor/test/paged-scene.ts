import * as fc from "fast-check";
import { type FloatDtype, Indices, type PagedAttentionOptions, Tensor } from "../src/index.ts";
import { random } from "./random-tensors.ts";
import { normal } from "./random-values.ts";

/** Sequences whose keys lie scattered over the pages of one cache, on the CPU. */
export interface PagedScene {
  readonly q: Tensor;
  readonly kCache: Tensor;
  readonly vCache: Tensor;
  readonly options: PagedAttentionOptions;
  /** The slot of each key of each sequence. */
  readonly slots: readonly (readonly number[])[];
}

export interface PagedSizes {
  /** `[queries, keys before them]` of each sequence. */
  readonly sequences: readonly (readonly [queries: number, past: number])[];
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly pageSize: number;
  readonly dtype: FloatDtype;
  readonly cacheDtype: FloatDtype;
}

/** What does not tell where the keys lie. */
export type PagedNumbers = Omit<PagedAttentionOptions, "queryStarts" | "lengths" | "pages" | "pageSize">;

export function pagedScene(seed: number, sizes: PagedSizes, numbers: PagedNumbers): PagedScene {
  const { sequences, kvHeads, group, headDim, pageSize, dtype, cacheDtype } = sizes;
  const lengths = sequences.map(([queries, past]) => queries + past);
  const perSequence = Math.ceil(Math.max(1, ...lengths) / pageSize);
  const pageCount = sequences.length * perSequence + 1;
  // Each page once, in an order that the seed shuffles.
  const order = normal(seed, pageCount)
    .map((key, page) => ({ key, page }))
    .sort((a, b) => a.key - b.key)
    .map(({ page }) => page);
  const pages = order.slice(0, sequences.length * perSequence);
  const shape = [pageCount * pageSize, kvHeads, headDim] as const;
  const starts = [0];
  for (const [queries] of sequences) starts.push((starts.at(-1) as number) + queries);
  return {
    q: random(seed + 1, [starts.at(-1) as number, kvHeads * group, headDim], dtype),
    kCache: random(seed + 2, shape, cacheDtype),
    vCache: random(seed + 3, shape, cacheDtype),
    options: {
      ...numbers,
      queryStarts: Indices.from(starts),
      lengths: Indices.from(lengths),
      pages: Indices.from(pages),
      pageSize,
    },
    slots: lengths.map((length, b) =>
      Array.from(
        { length },
        (_, i) => (pages[b * perSequence + Math.floor(i / pageSize)] as number) * pageSize + (i % pageSize),
      ),
    ),
  };
}

/** The keys of a sequence `[length, Hkv, D]`, one after the other. */
export function gathered(cache: Tensor, slots: readonly number[]): Tensor {
  const [, heads, headDim] = cache.shape as [number, number, number];
  const keys = Tensor.empty([slots.length, heads, headDim], cache.dtype);
  slots.forEach((slot, i) => {
    keys.slice(0, i, i + 1).copyFrom(cache.slice(0, slot, slot + 1));
  });
  return keys;
}

/** What limits and bends attention; often nothing. */
export const limits = fc.oneof(
  fc.constant({ mask: "causal" as const, window: 0, chunk: 0, softCap: 0 }),
  fc.record({
    mask: fc.constant("causal" as const),
    window: fc.constantFrom(0, 1, 3, 9, 50),
    chunk: fc.constantFrom(0, 0, 4, 64),
    softCap: fc.constantFrom(0, 0.5, 20),
  }),
  fc.record({
    mask: fc.constant("none" as const),
    window: fc.constant(0),
    chunk: fc.constant(0),
    softCap: fc.constantFrom(0, 2),
  }),
);
