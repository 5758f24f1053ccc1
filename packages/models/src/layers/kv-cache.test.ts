import { Tensor } from "@qknorm/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KvCache } from "./kv-cache.ts";

const shape = { layers: 2, kvHeads: 2, headDim: 4, dtype: "f32", maxPositions: 300 } as const;

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
          for (const layer of [0, 1]) {
            const k = rows(tokens, cache.length);
            const [keys, values] = cache.append(layer, k, k);
            const total = cache.length + tokens;
            const expected = [...rows(total, 0).toNumbers()];
            expect([...keys.slice(0, 0, total).toNumbers()]).toEqual(expected);
            expect([...values.slice(0, 0, total).toNumbers()]).toEqual(expected);
          }
          cache.advance(tokens);
        }
      }),
    );
  });

  it("takes slices of a packed tensor", () => {
    const cache = new KvCache(shape);
    const packed = rows(6, 0).reshape([3, 16]);
    const [, v] = packed.split(1, [8, 8]) as [Tensor, Tensor];
    const [, values] = cache.append(0, v.view([3, 2, 4]), v.view([3, 2, 4]));
    expect([...values.slice(0, 0, 3).toNumbers()]).toEqual([...v.toNumbers()]);
  });

  it("forgets a step that was never counted", () => {
    const cache = new KvCache(shape);
    cache.append(0, rows(5, 7), rows(5, 7));
    const [keys] = cache.append(0, rows(2, 0), rows(2, 0));
    expect([...keys.slice(0, 0, 2).toNumbers()]).toEqual([...rows(2, 0).toNumbers()]);
  });

  it("refuses tokens past the model's context, in words", () => {
    const cache = new KvCache(shape);
    cache.advance(299);
    cache.assertRoom(1);
    expect(() => cache.assertRoom(2)).toThrowError(/301 tokens do not fit in the model's context of 300/);
  });
});
