import { join } from "node:path";
import { QkNormError } from "@qknorm/core";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { loadModel } from "../families/load-model.ts";
import { loadTokenizer } from "../text/tokenizer.ts";
import { ContinuousBatch, type ContinuousBatchOptions } from "./continuous-batch.ts";
import { generateNow } from "./generate.ts";
import type { TextOptions } from "./growing-text.ts";
import { createSampler } from "./sampling.ts";
import { turn } from "./turn.ts";

const folder = join(import.meta.dirname, "../../../../checkpoints/qwen3-sums");
const { model, generation } = loadModel(folder, { dtype: "f32" });
const tokenizer = loadTokenizer(folder);
const stopIds = generation.eosTokenIds;
const cache = { pages: 256 };
/** Random weights: quick, and as good for what is compared with itself. */
const small = loadModel(join(import.meta.dirname, "../../golden/tiny-untied"), { dtype: "f32" }).model;

async function all(tokens: AsyncIterable<number>): Promise<number[]> {
  const ids: number[] = [];
  for await (const id of tokens) ids.push(id);
  return ids;
}

function batchOf(options: Partial<ContinuousBatchOptions> = {}, of = model): ContinuousBatch {
  return new ContinuousBatch(of, { cache, ...options });
}

describe("ContinuousBatch", () => {
  it("answers 64 sums of different lengths at once, each as it is answered alone", async () => {
    using batch = batchOf();
    const sums = Array.from({ length: 64 }, (_, i) => [(i * 7919) % 10 ** ((i % 4) + 1), i * i] as const);
    const texts = sums.map(([a, b]) => batch.generate(tokenizer.encode(`${a}+${b}=`), { stopIds }));
    const forward = vi.spyOn(model, "forward");
    const answers = await Promise.all(texts.map(async (text) => tokenizer.decode(await all(text))));
    expect(answers).toEqual(sums.map(([a, b]) => String(a + b)));
    expect(forward.mock.calls[0]?.[0].batch?.lengths.length).toBe(64);
    forward.mockRestore();
    expect([batch.running, batch.pages]).toEqual([0, { all: 256, free: 256 }]);
  });

  it.each([{ bytes: 2 ** 60 }, { pages: 2 ** 40 }, { pages: 2 ** 27, pageSize: 16 }])(
    "refuses a cache of %j, whose slots no index could tell",
    (size) => {
      const refusal = {
        code: "ERR_GENERATION",
        message: expect.stringContaining("slots must be below 2^31"),
      };
      expect(() => batchOf({ cache: size }, small)).toThrow(expect.objectContaining(refusal));
    },
  );

  it("ends a text that its reader throws into or disposes of, and the others go on", async () => {
    using batch = batchOf({}, small);
    const [thrown, dropped, other] = [1, 2, 3].map((id) => batch.generate([id], { maxTokens: 8 }));
    await Promise.all([thrown!.next(), dropped!.next()]);
    const own = new Error("of the reader");
    await expect(thrown!.throw?.(own)).rejects.toBe(own);
    await dropped![Symbol.asyncDispose]();
    for (const ended of [thrown!, dropped!])
      expect(await ended.next()).toEqual({ done: true, value: undefined });
    expect(await all(other!)).toHaveLength(8);
    expect([batch.running, batch.pages]).toEqual([0, { all: 256, free: 256 }]);
  });

  it("gives every text the tokens that it has alone, whenever it comes, however little room there is", async () => {
    const someText = fc.record({
      prompt: fc.array(fc.integer({ min: 0, max: small.vocabSize - 1 }), { minLength: 1, maxLength: 20 }),
      maxTokens: fc.integer({ min: 0, max: 40 }),
      seed: fc.option(fc.integer({ min: 0, max: 99 })),
      comes: fc.integer({ min: 0, max: 10 }),
    });
    const limits = fc.record({
      pages: fc.integer({ min: 15, max: 24 }),
      maxSequences: fc.integer({ min: 1, max: 5 }),
    });
    type Case = [
      texts: { prompt: number[]; maxTokens: number; seed: number | null; comes: number }[],
      limit: { pages: number; maxSequences: number },
    ];
    /** Four texts of which each takes most of the room: the later ones must give way, whatever is drawn beside it. */
    const crowd: Case = [
      Array.from({ length: 4 }, (_, i) => ({
        prompt: [i, 1, 2, 3],
        maxTokens: 40,
        seed: i % 2 ? i : null,
        comes: i,
      })),
      { pages: 15, maxSequences: 4 },
    ];
    let preemptions = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(someText, { minLength: 1, maxLength: 8 }), limits, async (texts, limit) => {
        using batch = batchOf(
          { ...limit, cache: { pages: limit.pages, pageSize: 4 }, maxStepTokens: 7 },
          small,
        );
        const optionsOf = ({ maxTokens, seed }: (typeof texts)[number]): TextOptions => ({
          maxTokens,
          ...(seed !== null && { sample: createSampler({ temperature: 1, topK: 5, seed }) }),
        });
        const found = await Promise.all(
          texts.map(async (text) => {
            for (let i = 0; i < text.comes; i++) await turn();
            return all(batch.generate(text.prompt, optionsOf(text)));
          }),
        );
        expect(found).toEqual(texts.map((text) => [...generateNow(small, text.prompt, optionsOf(text))]));
        expect(batch.pages.free).toBe(limit.pages);
        preemptions += batch.preemptions;
      }),
      { numRuns: 12, examples: [crowd] },
    );
    expect(preemptions).toBeGreaterThan(0);
  });

  it("takes a long prompt in pieces, while others go on", async () => {
    using batch = batchOf({ maxStepTokens: 16, maxSequences: 4 });
    const forward = vi.spyOn(model, "forward");
    const short = batch.generate([49, 43], { maxTokens: 12, sample: () => 49 });
    await short.next();
    const long = batch.generate(new Array<number>(100).fill(50), { maxTokens: 1 });
    await Promise.all([all(short), all(long)]);
    const sizes = forward.mock.calls.map(([{ ids }]) => ids.length);
    forward.mockRestore();
    // The short one takes a token of each step.
    expect(sizes.slice(0, 9)).toEqual([2, 16, 16, 16, 16, 16, 16, 11, 1]);
  });

  it("sends the youngest back where room is missing, and lets the oldest end", async () => {
    using batch = batchOf({ cache: { pages: 6, pageSize: 4 } });
    const order: string[] = [];
    const text = async (name: string): Promise<number> => {
      const ids = await all(batch.generate([49, 50, 51, 52], { maxTokens: 14, sample: () => 49 }));
      order.push(name);
      return ids.length;
    };
    expect(await Promise.all(["first", "second", "third"].map(text))).toEqual([14, 14, 14]);
    expect(order).toEqual(["first", "second", "third"]);
    expect(batch.preemptions).toBeGreaterThan(0);
  });

  it("tells a text that alone fills the cache so, and goes on with the next", async () => {
    using batch = batchOf({ cache: { pages: 3, pageSize: 4 } });
    const seen: number[] = [];
    const long = (async () => {
      for await (const id of batch.generate([49, 50], { sample: () => 49 })) seen.push(id);
    })();
    const next = all(batch.generate([51, 52], { sample: () => 50, maxTokens: 2 }));
    await expect(long).rejects.toMatchObject({
      code: "ERR_GENERATION",
      message: expect.stringMatching(
        /the cache is full: 1 pages of 4 tokens are needed, and 0 of 3 are free/,
      ),
    });
    expect(seen).toHaveLength(11);
    expect(await next).toEqual([50, 50]);
    expect(batch.pages.free).toBe(3);
  });

  it("ends a text at a stop id, after maxTokens, and when the context is full", async () => {
    using batch = batchOf();
    const found = await Promise.all([
      all(batch.generate(tokenizer.encode("127+456="), { stopIds })),
      all(batch.generate(tokenizer.encode("9999+1="), { maxTokens: 3 })),
      all(batch.generate(new Array<number>(250).fill(49), { sample: () => 49 })),
    ]);
    expect(tokenizer.decode(found[0] as number[])).toBe("583");
    expect(found.slice(1).map(({ length }) => length)).toEqual([3, 7]);
  });

  it("gives pages back when a signal is aborted, be the text waiting or running, or when its reader stops", async () => {
    using batch = batchOf({ maxSequences: 2 });
    const controllers = [new AbortController(), new AbortController()];
    const sample = () => 49;
    const [running, stopped] = [controllers[0]!.signal, undefined].map((signal) =>
      batch.generate([49, 43], { sample, signal }),
    ) as [AsyncGenerator<number>, AsyncGenerator<number>];
    const waiting = batch.generate([49, 43], { sample, signal: controllers[1]!.signal });
    await Promise.all([running.next(), stopped.next()]);
    expect([batch.running, batch.waiting]).toEqual([2, 1]);
    for (const controller of controllers) controller.abort();
    await stopped.return(undefined);
    expect([batch.running, batch.waiting, batch.pages.free]).toEqual([0, 0, 256]);
    expect(await waiting.next()).toEqual({ done: true, value: undefined });
    expect((await all(running)).every((id) => id === 49)).toBe(true);
  });

  it("tells all texts of a step that failed, and serves those that come later", async () => {
    using batch = batchOf();
    const failing = vi.spyOn(model, "forward").mockImplementationOnce(() => {
      throw new QkNormError("ERR_CUDA", "the device is gone");
    });
    const texts = [1, 2].map(() => all(batch.generate([49, 43], { maxTokens: 2 })));
    for (const { reason } of (await Promise.allSettled(texts)) as PromiseRejectedResult[])
      expect(reason).toMatchObject({ code: "ERR_CUDA" });
    failing.mockRestore();
    expect(await all(batch.generate([49, 43], { maxTokens: 2 }))).toHaveLength(2);
  });

  it("tells one text what its sampler threw, and no other", async () => {
    using batch = batchOf();
    const broken = all(
      batch.generate([49, 43], {
        sample: () => {
          throw new Error("no token pleases me");
        },
      }),
    );
    const other = all(batch.generate([49, 43], { maxTokens: 3, sample: () => 50 }));
    await expect(broken).rejects.toThrow("no token pleases me");
    expect(await other).toEqual([50, 50, 50]);
  });

  it("ends every text when it is disposed, and takes none afterwards", async () => {
    const batch = batchOf();
    const text = batch.generate([49, 43], { sample: () => 49 });
    await text.next();
    batch.dispose();
    batch.dispose();
    await expect(all(text)).rejects.toThrow("disposed before the text ended");
    expect(() => batch.generate([49])).toThrow("this batch was disposed");
  });

  it.each([
    ["an empty prompt", [], {}, /prompt is empty/],
    ["a prompt longer than the context", new Array<number>(257).fill(49), {}, /257 tokens.*256/],
    [
      "a prompt that the whole cache has no room for",
      new Array<number>(33).fill(49),
      {},
      /33 tokens.*room for 32/,
    ],
    ["an unknown id", [49, 264], {}, /token id 264 is outside 0..263/],
    ["maxTokens that is no number", [49], { maxTokens: Number.NaN }, /maxTokens/],
  ])("refuses %s before any work", (_, prompt, options, message) => {
    using batch = batchOf({ cache: { pages: 2 } });
    expect(() => batch.generate(prompt, options)).toThrow(
      expect.objectContaining({ code: "ERR_GENERATION", message: expect.stringMatching(message) }),
    );
  });

  it("refuses limits that are no counts, and fewer tokens than sequences", () => {
    expect(() => batchOf({ maxSequences: 0 })).toThrow("maxSequences must be an integer from 1, got 0");
    expect(() => batchOf({ maxStepTokens: 8, maxSequences: 9 })).toThrow(
      "maxStepTokens must be an integer from 9, got 8",
    );
  });
});
