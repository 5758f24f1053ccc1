import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadModel } from "../families/load-model.ts";
import { type CachedSequence, PagedKvCache } from "./paged-kv-cache.ts";
import { nextStep } from "./sequence-step.ts";

const { model } = loadModel(join(import.meta.dirname, "../../../../checkpoints/qwen3-sums"), {
  dtype: "f32",
});

/** Logits `[B, V]` of one step, as rows. */
function stepped(cache: PagedKvCache, tokens: readonly (readonly [CachedSequence, number[]])[]): number[][] {
  const logits = model.forward(cache.step(tokens.map(([sequence, ids]) => ({ sequence, ids }))));
  const values = [...logits.toNumbers()];
  return tokens.map((_, row) => values.slice(row * model.vocabSize, (row + 1) * model.vocabSize));
}

describe("PagedKvCache", () => {
  it("gives every sequence of a batch the logits that it has alone, whatever joins and leaves", () => {
    const text = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        fc.array(fc.array(text, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
        (texts) => {
          const cache = model.newPagedCache({ pages: 64, pageSize: 4 });
          const joined = texts.map((parts) => ({ parts, sequence: cache.join(), alone: model.newCache() }));
          for (let turn = 0; turn < 3; turn++) {
            const live = joined.filter(({ parts }) => parts[turn] !== undefined);
            if (live.length === 0) break;
            const rows = stepped(
              cache,
              live.map(({ sequence, parts }) => [sequence, parts[turn]!]),
            );
            for (const [i, { parts, alone }] of live.entries()) {
              const expected = model.forward(nextStep(parts[turn]!, alone)).toNumbers();
              const differences = expected.map((logit, id) => Math.abs(logit - rows[i]![id]!));
              expect(Math.max(...differences)).toBeLessThanOrEqual(1e-4);
            }
            for (const { parts, sequence } of joined)
              if (parts[turn + 1] === undefined) cache.leave(sequence);
          }
          expect(cache.pool.free).toBe(64);
        },
      ),
      { numRuns: 10 },
    );
  });

  it("has no place for what a layer carries from token to token, and says so", () => {
    using cache = model.newPagedCache({ pages: 3, pageSize: 4 });
    const refusal = { code: "ERR_GENERATION", message: expect.stringContaining("a cache of one sequence") };
    expect(() => cache.carried()).toThrow(expect.objectContaining(refusal));
  });

  it("says what is needed and what is free when it is full, and takes nothing", () => {
    const cache = model.newPagedCache({ pages: 3, pageSize: 4 });
    const [first, second] = [cache.join(), cache.join()];
    stepped(cache, [[first, [49, 50, 51, 52, 53]]]);
    const full = () => cache.step([first, second].map((sequence) => ({ sequence, ids: [1, 2, 3, 4] })));
    expect(full).toThrow(
      expect.objectContaining({
        code: "ERR_GENERATION",
        message: expect.stringMatching(/cache is full: 1 pages of 4 tokens are needed, and 0 of 3 are free/),
      }),
    );
    expect([cache.pool.free, first.pages.length, second.pages.length]).toEqual([1, 2, 0]);
    cache.leave(first);
    cache.leave(first);
    expect(cache.pool.free).toBe(3);
  });

  it("refuses a sequence that has left, and tokens past the context", () => {
    const cache = model.newPagedCache({ pages: 100, pageSize: 4 });
    const sequence = cache.join();
    expect(() => cache.reserve(sequence, 257)).toThrow("257 tokens do not fit in the model's context of 256");
    cache.leave(sequence);
    expect(() => cache.step([{ sequence, ids: [1] }])).toThrow("has left the cache");
    expect(() => cache.step([])).toThrow("at least one token");
  });

  it("takes and gives back more pages at once than a call has arguments", () => {
    using cache = new PagedKvCache({
      ...{ layers: [], dtype: "f32", maxPositions: 1_000_000, pages: 500_000, pageSize: 1 },
    });
    const sequence = cache.join();
    cache.reserve(sequence, 400_000);
    expect(cache.pool.free).toBe(100_000);
    cache.leave(sequence);
    expect(cache.pool.free).toBe(500_000);
  });

  it("is as large as its memory, one page of padding included", () => {
    const ofPage = 6 * 2 * (model.newPagedCache({ pages: 1 }).of(0).keys.size / 2) * 4;
    expect(model.newPagedCache({ bytes: 5 * ofPage + 1 }).pool.pages).toBe(4);
    expect(() => model.newPagedCache({ bytes: 2 * ofPage - 1 })).toThrow("two are needed");
  });
});
