// Texts that are drawn on a device: the tokens that the CPU draws for the same seeds, by graphs that are replayed.
import { fileURLToPath } from "node:url";
import { type CudaDeviceName, DeviceGraph, liveBytes } from "@qknorm/tensor";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generate, generateNow } from "../src/generation/generate.ts";
import type { TextOptions } from "../src/generation/growing-text.ts";
import { createSampler } from "../src/generation/sampling.ts";
import type { SamplingOptions } from "../src/generation/sampling-options.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const load = (device?: CudaDeviceName) =>
  loadModel(folder, { dtype: "f32", ...(device && { device }) }).model;

/** What is drawn; null: the likeliest tokens. */
type Drawn = SamplingOptions | null;

interface Text {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly drawn: Drawn;
}

const off = <T>(arbitrary: fc.Arbitrary<T>, value: T) => fc.oneof(fc.constant(value), arbitrary);
const penalty = off(fc.double({ min: -2, max: 2, noNaN: true }), 0);
const someDrawn: fc.Arbitrary<Drawn> = fc.option(
  fc.record({
    temperature: off(fc.double({ min: 0.3, max: 3, noNaN: true }), 0),
    topK: off(fc.nat(30), 0),
    topP: off(fc.double({ min: 0.1, max: 1, noNaN: true }), 1),
    minP: off(fc.double({ min: 0, max: 0.5, noNaN: true }), 0),
    repetitionPenalty: off(fc.double({ min: 0.7, max: 1.5, noNaN: true }), 1),
    ...{ presencePenalty: penalty, frequencyPenalty: penalty },
    seed: fc.maxSafeNat(),
  }),
);
const someText: fc.Arbitrary<Text> = fc.record({
  prompt: fc.array(fc.nat(95), { minLength: 1, maxLength: 6 }),
  maxTokens: fc.integer({ min: 2, max: 7 }),
  drawn: someDrawn,
});

/** A sampler is of one text: each time a new one. */
function optionsOf({ maxTokens, drawn }: Text): TextOptions {
  return { maxTokens, ...(drawn && { sample: createSampler(drawn) }) };
}

async function all(tokens: AsyncIterable<number>): Promise<number[]> {
  const ids: number[] = [];
  for await (const id of tokens) ids.push(id);
  return ids;
}

/** What `work` gives, and how many graphs were captured and replayed meanwhile. */
async function counted<T>(work: () => T | Promise<T>) {
  const { capture } = DeviceGraph;
  const { replay } = DeviceGraph.prototype;
  let [captures, replays] = [0, 0];
  DeviceGraph.capture = (...given) => {
    captures += 1;
    return capture.apply(DeviceGraph, given);
  };
  DeviceGraph.prototype.replay = function (this: DeviceGraph) {
    replays += 1;
    replay.call(this);
  };
  try {
    return { found: await work(), captures, replays };
  } finally {
    DeviceGraph.capture = capture;
    DeviceGraph.prototype.replay = replay;
  }
}

/** `runs` of the property. */
export function deviceSamplingSuite(device: CudaDeviceName, runs: number): void {
  const one: Text = {
    prompt: [5, 17, 9],
    maxTokens: 12,
    drawn: { temperature: 1.3, topP: 0.9, frequencyPenalty: 0.5, repetitionPenalty: 1.1, seed: 7 },
  };

  it("has the tokens that the CPU draws, by one graph that is replayed, awaited or not", async () => {
    using there = load(device);
    const expected = [...generateNow(load(), one.prompt, optionsOf(one))];
    const { found, captures, replays } = await counted(() => [
      ...generateNow(there, one.prompt, optionsOf(one)),
    ]);
    expect(found).toEqual(expected);
    expect(captures).toBe(1);
    expect(replays).toBeGreaterThanOrEqual(10);
    const short = { ...one, maxTokens: 4 };
    expect(await all(generate(there, one.prompt, optionsOf(short)))).toEqual(expected.slice(0, 4));
    // Traces are told by passes one by one.
    const traced = { ...optionsOf(short), onTrace: () => {} };
    const called = await counted(() => [...generateNow(there, one.prompt, traced)]);
    expect([called.found, called.captures]).toEqual([expected.slice(0, 4), 0]);
  });

  it("draws each text of a batch as it is drawn alone, whatever is beside it, who comes and goes, and who gives way", async () => {
    const here = load();
    const before = liveBytes(device);
    using there = load(device);
    const crowd: Text[] = [0, 1, 2, 3].map((i) => ({
      prompt: [i + 3, 1, 2, 3],
      maxTokens: 8 + i,
      drawn: i === 2 ? null : { temperature: 1, presencePenalty: i / 2, frequencyPenalty: 0.2, seed: i },
    }));
    let [most, gaveWay] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(someText, { minLength: 1, maxLength: 4 }), async (texts) => {
        const batch = new ContinuousBatch(there, { cache: { pages: 7, pageSize: 4 }, maxStepTokens: 64 });
        const { found, replays } = await counted(() =>
          Promise.all(texts.map((text) => all(batch.generate(text.prompt, optionsOf(text))))),
        );
        expect(found).toEqual(texts.map((text) => [...generateNow(here, text.prompt, optionsOf(text))]));
        most = Math.max(most, replays);
        gaveWay += batch.preemptions;
        batch.dispose();
      }),
      { numRuns: runs, examples: [[crowd]] },
    );
    expect(most).toBeGreaterThan(3);
    expect(gaveWay).toBeGreaterThan(0);
    there.dispose();
    expect(liveBytes(device)).toBe(before);
  });

  it("captures a graph for each way to choose, and one of likeliest tokens where nobody draws", async () => {
    using there = load(device);
    using batch = new ContinuousBatch(there, { cache: { pages: 24, pageSize: 4 }, maxStepTokens: 64 });
    const pair = (...drawn: Drawn[]) =>
      counted(() =>
        Promise.all(
          drawn.map((of, i) =>
            all(batch.generate([3, i], { maxTokens: 4, ...(of && { sample: createSampler(of) }) })),
          ),
        ),
      );
    const drawn = { temperature: 1, seed: 1 };
    const captures: number[] = [];
    for (const of of [
      [null, null],
      [null, drawn],
      [drawn, { presencePenalty: 1 }],
    ]) {
      for (let again = 0; again < 2; again++) captures.push((await pair(...of)).captures);
    }
    expect(captures).toEqual([1, 0, 1, 0, 1, 0]);
  });

  it("leaves samplers that have to be called to single passes, with the tokens of the CPU", async () => {
    using there = load(device);
    const options = { temperature: 0.7, typicalP: 0.9, seed: 3 };
    const text = { ...one, maxTokens: 4, drawn: options };
    const { found, captures } = await counted(() => [...generateNow(there, text.prompt, optionsOf(text))]);
    expect(found).toEqual([...generateNow(load(), text.prompt, optionsOf(text))]);
    expect(captures).toBe(0);
  });
}
