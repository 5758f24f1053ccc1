import { Tensor } from "@qknorm/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KvCache } from "./kv-cache.ts";
import { nextStep } from "./sequence-step.ts";
import type { LayerCache } from "./step.ts";

const shape = { layers: 2, dtype: "f32", maxPositions: 300 } as const;

/** Stores rows as a step of some tokens in some layers; the memory of the last layer. */
function store(cache: KvCache, layers: readonly number[], k: Tensor, v: Tensor): LayerCache {
  const step = nextStep(new Int32Array(k.dim(0)), cache);
  for (const layer of layers) cache.write(layer, k, v, step);
  return cache.of(layers.at(-1)!);
}

function rows(tokens: number, first: number): Tensor {
  return Tensor.from(
    Array.from({ length: tokens * 8 }, (_, i) => first * 8 + i),
    [tokens, 2, 4],
  );
}

describe("KvCache", () => {
  it("holds the tokens in order, however they were cut into steps", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 3 }), (steps) => {
        const cache = new KvCache(shape);
        for (const tokens of steps) {
          const k = rows(tokens, cache.length);
          const total = cache.length + tokens;
          const { keys, values } = store(cache, [0, 1], k, k);
          cache.advance(nextStep(new Int32Array(tokens), cache));
          const expected = [...rows(total, 0).toNumbers()];
          for (const held of [keys, values, cache.of(0).keys, cache.of(0).values])
            expect([...held.slice(0, 0, total).toNumbers()]).toEqual(expected);
        }
      }),
    );
  });

  it("takes slices of a packed tensor", () => {
    const cache = new KvCache(shape);
    const packed = rows(6, 0).reshape([3, 16]);
    const [, v] = packed.split(1, [8, 8]) as [Tensor, Tensor];
    const { values } = store(cache, [0], v.view([3, 2, 4]), v.view([3, 2, 4]));
    expect([...values.slice(0, 0, 3).toNumbers()]).toEqual([...v.toNumbers()]);
  });

  it("forgets a step that was never counted", () => {
    const cache = new KvCache(shape);
    store(cache, [0], rows(5, 7), rows(5, 7));
    const { keys } = store(cache, [0], rows(2, 0), rows(2, 0));
    expect([...keys.slice(0, 0, 2).toNumbers()]).toEqual([...rows(2, 0).toNumbers()]);
  });

  it("leaves the memory of a layer where it is until it is full", () => {
    const cache = new KvCache(shape);
    const first = store(cache, [0], rows(3, 0), rows(3, 0));
    cache.reserve(64);
    expect(store(cache, [0], rows(9, 0), rows(9, 0))).toBe(first);
    expect([cache.capacity, first.keys.dim(0)]).toEqual([64, 64]);
    cache.reserve(65);
    const grown = cache.of(0);
    expect([cache.capacity, grown.keys.dim(0)]).toEqual([128, 128]);
    expect([...grown.keys.slice(0, 0, 9).toNumbers()]).toEqual([...rows(9, 0).toNumbers()]);
  });

  it("has nothing of a layer that stored nothing", () => {
    expect(() => new KvCache(shape).of(1)).toThrowError("layer 1 has stored no keys and values");
  });

  it("refuses tokens past the model's context, in words", () => {
    const cache = new KvCache(shape);
    cache.length = 299;
    cache.assertRoom(1);
    expect(() => cache.assertRoom(2)).toThrowError(/301 tokens do not fit in the model's context of 300/);
  });
});
