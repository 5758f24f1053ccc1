// Many texts at once on a device: the CPU's tokens, decoded by captured graphs, and nothing left behind.
import { fileURLToPath } from "node:url";
import { type Device, DeviceGraph, liveBytes } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generateNow } from "../src/generation/generate.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));

async function all(tokens: AsyncIterable<number>): Promise<number[]> {
  const ids: number[] = [];
  for await (const id of tokens) ids.push(id);
  return ids;
}

export function deviceBatchSuite(device: Device): void {
  it("gives texts that come and go the tokens that the CPU gives each alone, and captures a graph a bucket", async () => {
    const here = loadModel(folder, { dtype: "f32" }).model;
    const before = liveBytes(device);
    const there = loadModel(folder, { dtype: "f32", device }).model;
    const { capture } = DeviceGraph;
    let captured = 0;
    DeviceGraph.capture = (...given) => {
      captured += 1;
      return capture.apply(DeviceGraph, given);
    };
    const texts = [
      { prompt: [5, 17, 9], maxTokens: 9 },
      { prompt: [3], maxTokens: 5 },
      { prompt: Array.from({ length: 19 }, (_, i) => (i * 7) % here.vocabSize), maxTokens: 3 },
    ];
    const batch = new ContinuousBatch(there, { cache: { pages: 24, pageSize: 4 }, maxStepTokens: 64 });
    const found = await Promise.all(
      texts.map(({ prompt, maxTokens }) => all(batch.generate(prompt, { maxTokens }))),
    );
    expect(found).toEqual(
      texts.map(({ prompt, maxTokens }) => [...generateNow(here, prompt, { maxTokens })]),
    );
    // Of four, two and one sequences.
    expect(captured).toBe(3);
    DeviceGraph.capture = capture;
    batch.dispose();
    there.dispose();
    expect(liveBytes(device)).toBe(before);
  });
}
