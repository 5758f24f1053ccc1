// Where a text meets the end of something on a device: of the context, of memory, of what one stream can do.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setQkNormLogger } from "@qknorm/core";
import {
  DeviceGraph,
  Indices,
  keep,
  likeliest,
  liveBytes,
  openDevice,
  Tensor,
  tidy,
  together,
} from "@qknorm/tensor";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CudaStream } from "../../../native/src/index.ts";
import { missing, notes, scripted } from "../../tensor/test/stand-in.ts";
import { loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generateNow } from "../src/generation/generate.ts";
import { createSampler } from "../src/generation/sampling.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const device = "cuda:0";

/** The model with a context of so many tokens, in a folder of its own. */
function shortened(maxPositions: number): string {
  const short = mkdtempSync(join(tmpdir(), "qknorm-short-"));
  cpSync(folder, short, { recursive: true });
  const config = JSON.parse(readFileSync(join(short, "config.json"), "utf8"));
  writeFileSync(
    join(short, "config.json"),
    JSON.stringify({ ...config, max_position_embeddings: maxPositions }),
  );
  return short;
}

describe.skipIf(missing !== "")(`the limits of a text on a device, on a stand-in driver${missing}`, () => {
  beforeAll(async () => {
    setQkNormLogger(null);
    await openDevice(device);
  });
  beforeEach(() => {
    scripted();
    notes();
  });

  it("are the context's: it ends there in the middle of replays, alone and in a batch, as on the CPU", async () => {
    const short = shortened(24);
    const here = loadModel(short, { dtype: "f32" }).model;
    using there = loadModel(short, { dtype: "f32", device }).model;
    rmSync(short, { recursive: true });
    const prompt = Array.from({ length: here.maxPositions - 4 }, (_, i) => (i * 7) % here.vocabSize);
    const options = () => ({ sample: createSampler({ temperature: 1, seed: 4 }) });
    const expected = [...generateNow(here, prompt, options())];
    expect(expected).toHaveLength(5);
    expect([...generateNow(there, prompt, options())]).toEqual(expected);
    using batch = new ContinuousBatch(there, { cache: { pages: 20 } });
    const found: number[] = [];
    for await (const id of batch.generate(prompt, options())) found.push(id);
    expect(found).toEqual(expected);
  });

  it("are memory's: a cache that cannot grow says what is needed and free, and leaves nothing; the next text goes on", () => {
    const before = liveBytes(device);
    using there = loadModel(folder, { dtype: "f32", device }).model;
    const text = generateNow(there, [5, 17, 9], { maxTokens: 8 });
    text.next();
    scripted({ cuMemAllocAsync: 2 });
    expect(() => text.next()).toThrow(
      expect.objectContaining({
        code: "ERR_CUDA",
        message: expect.stringMatching(
          /cannot allocate .* \d+ bytes on cuda:0, where \d+ are free and \d+ are in use/,
        ),
      }),
    );
    scripted();
    expect(text.next()).toEqual({ done: true, value: undefined });
    expect([...generateNow(there, [5, 17, 9], { maxTokens: 3 })]).toHaveLength(3);
    there.dispose();
    expect(liveBytes(device)).toBe(before);
  });

  it("are not one stream's: a captured step whose norms fall back has k's on the other stream, and the same tokens", () => {
    const altStream = new CudaStream(0);
    const prompt = [5, 17, 9];
    const expected = [...generateNow(loadModel(folder, { dtype: "f32" }).model, prompt, { maxTokens: 6 })];
    const qkNorm = { path: "fallback", altStream } as const;
    using there = loadModel(folder, { dtype: "f32", device, qkNorm, chain: "apart" }).model;
    const { capture } = DeviceGraph;
    let forks = 0;
    let elsewhere = false;
    DeviceGraph.capture = (on, work) => {
      notes();
      const graph = capture.call(DeviceGraph, on, () => {
        const result = work();
        elsewhere = altStream.isCapturing();
        return result;
      });
      forks = notes().filter((note) => note === "wait").length;
      return graph;
    };
    try {
      expect([...generateNow(there, prompt, { maxTokens: 6 })]).toEqual(expected);
      // In each layer the other stream waits for the first, and then the first for it.
      expect([forks, elsewhere]).toEqual([2 * 2, true]);
    } finally {
      DeviceGraph.capture = capture;
      there.dispose();
      altStream.free();
    }
  });

  it("are no launches of its own: a step is the model's pass and two for the likeliest token, or three for a draw", () => {
    using there = loadModel(folder, { dtype: "f32", device }).model;
    const prompt = [5, 17, 9];
    const nodes = () => Math.max(...notes().map((note) => Number(/^graph of (\d+)/.exec(note)?.[1] ?? 0)));
    const of = (sample?: ReturnType<typeof createSampler>) => {
      notes();
      for (const _ of generateNow(there, prompt, { maxTokens: 5, sample }));
      return nodes();
    };
    const [greedy, drawn] = [of(), of(createSampler({ temperature: 1, seed: 1 }))];
    const cache = there.newCache();
    tidy(() => there.forward(nextStep(prompt, cache)));
    // As generation does: attention is cut by how long a text may get.
    cache.reserve(252);
    const made = (value: number, ...shape: number[]) =>
      keep(Tensor.from(new Array(shape.reduce((a, b) => a * b)).fill(value), shape, "i32", device));
    const texts = { ids: made(7, 1), positions: made(3, 1), log: made(0, 1, cache.capacity) };
    const standing = Indices.onDevice(texts.positions, cache.capacity);
    const pass = (): Tensor =>
      there.forward({
        ids: Indices.onDevice(texts.ids, there.vocabSize),
        ...{ positions: standing, slots: standing, past: standing, cache, trace: null },
      });
    tidy(() => likeliest(pass(), texts));
    const launches = (work: () => void) => {
      using graph = DeviceGraph.capture(device, () => together(device, () => tidy(work)));
      notes();
      graph.replay();
      return nodes();
    };
    const [alone, chosen] = [launches(() => void pass()), launches(() => likeliest(pass(), texts))];
    expect([chosen, greedy, drawn]).toEqual([alone + 2, alone + 2, alone + 3]);
    for (const held of [cache, ...Object.values(texts)]) held.dispose();
  });
});
