// Many texts at once on a device: the CPU's tokens, decoded by captured graphs, and nothing left behind.
import { fileURLToPath } from "node:url";
import { type Device, DeviceGraph, DeviceMark, liveBytes } from "@qknorm/tensor";
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
    // Of four sequences, as long as the third of them lasts, of two and of one.
    expect(captured).toBe(3);
    DeviceGraph.capture = capture;
    batch.dispose();
    there.dispose();
    expect(liveBytes(device)).toBe(before);
  });

  it("queues a step before it reads the one in front, drops what was computed behind a stop id, and makes room where it is missing", async () => {
    const here = loadModel(folder, { dtype: "f32" }).model;
    const there = loadModel(folder, { dtype: "f32", device }).model;
    const prompts = [[7, 8, 9, 1], [20, 30], [11]];
    const alone = prompts.map((prompt) => [...generateNow(here, prompt, { maxTokens: 16 })]);
    // The second text ends in the middle.
    const stop = alone[1]!.at(4) as number;
    const stopIdsOf = (text: number): readonly number[] => (text === 1 ? [stop] : []);
    const { capture } = DeviceGraph;
    const [replay, readNow] = [DeviceGraph.prototype.replay, DeviceMark.prototype.readNow];
    let ahead = 0;
    let mostAhead = 0;
    DeviceGraph.prototype.replay = function (this: DeviceGraph) {
      mostAhead = Math.max(mostAhead, ++ahead);
      replay.call(this);
    };
    // The first step of a size was queued by calls.
    DeviceGraph.capture = (...given) => {
      mostAhead = Math.max(mostAhead, ++ahead);
      return capture.apply(DeviceGraph, given);
    };
    DeviceMark.prototype.readNow = function (this: DeviceMark, x) {
      ahead -= 1;
      return readNow.call(this, x);
    };
    try {
      using batch = new ContinuousBatch(there, { cache: { pages: 8, pageSize: 4 }, maxStepTokens: 64 });
      const found = await Promise.all(
        prompts.map((prompt, text) =>
          all(batch.generate(prompt, { maxTokens: 16, stopIds: stopIdsOf(text) })),
        ),
      );
      const expected = prompts.map((prompt, text) => [
        ...generateNow(here, prompt, { maxTokens: 16, stopIds: stopIdsOf(text) }),
      ]);
      expect(expected[1]).toHaveLength(4);
      expect(found).toEqual(expected);
      expect(mostAhead).toBe(2);
      expect(batch.preemptions).toBeGreaterThan(0);
      expect(batch.pages).toEqual({ all: 8, free: 8 });
    } finally {
      DeviceGraph.capture = capture;
      DeviceGraph.prototype.replay = replay;
      DeviceMark.prototype.readNow = readNow;
      there.dispose();
    }
  });
}
