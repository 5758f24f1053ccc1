import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { Tensor, useKernels } from "@qknorm/tensor";
import { afterAll, beforeAll, expect, it } from "vitest";
import { awaitedDevice, openAwaitedDevice } from "../../tensor/test/awaited-device.ts";
import { readConfig } from "../src/checkpoint/config.ts";
import { loadModel } from "../src/families/load-model.ts";
import { listModels } from "../src/families/model-types.ts";
import { generate, generateNow } from "../src/generation/generate.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

// Not one line of a model knows what it runs on: here it is a device whose results can only be awaited.
const golden = join(import.meta.dirname, "../golden");
const device = openAwaitedDevice();

beforeAll(() => {
  setQkNormLogger(null);
  useKernels("typescript");
});
afterAll(() => {
  useKernels("auto");
});

const families = readdirSync(golden).flatMap((family) => {
  if (!existsSync(join(golden, family, "keys.json"))) return [];
  const dirs = readdirSync(join(golden, family)).map((name) => join(golden, family, name));
  const dir = dirs.find((path) => {
    const record = join(path, "golden.json");
    return existsSync(record) && JSON.parse(readFileSync(record, "utf8")).kind === "causal-lm";
  });
  return dir !== undefined && listModels().includes(readConfig(dir).modelType) ? [{ family, dir }] : [];
});

it.each(families)("$family has the CPU's logits, bit for bit, and the CPU's text", async ({ dir }) => {
  const here = loadModel(dir).model;
  const there = loadModel(dir, { device: awaitedDevice }).model;
  const ids = [5, 1, 9, 9, 2];
  const cache = there.newCache();
  const logits = there.forward(nextStep(ids, cache), "all");
  expect(await logits.read()).toEqual(here.forward(nextStep(ids, here.newCache()), "all").readNow());
  const more = there.forward(nextStep([3], cache), "all");
  await more.read();
  for (const made of [cache, logits, more]) made.dispose();

  const [turns, text] = [device.turns, [...generateNow(here, ids, { maxTokens: 4 })]];
  const same: number[] = [];
  for await (const id of generate(there, ids, { maxTokens: 4 })) same.push(id);
  expect(same).toEqual(text);
  // One wait a token: nothing else is read on the way.
  expect(device.turns - turns).toBe(4);
});

/** Memories that are held once all queued work is done. */
async function held(): Promise<number> {
  const flush = Tensor.zeros([1], "f32", awaitedDevice);
  await flush.read();
  flush.dispose();
  return device.live;
}

it("a step in pieces holds the hidden states of one layer at a time, and none when it is left", async () => {
  const there = loadModel(join(golden, "tiny-tied"), { device: awaitedDevice }).model;
  const cache = there.newCache();
  // Makes the cache and the rotary tables.
  there.forward(nextStep([5, 1, 7], cache)).dispose();
  const before = await held();
  const pieces = there.forwardInPieces(nextStep([2, 3], cache));
  let layers = 0;
  let step = pieces.next();
  for (; step.done !== true; step = pieces.next()) {
    expect(await held()).toBe(before + 1);
    layers += 1;
  }
  expect(layers).toBeGreaterThan(1);
  step.value.dispose();
  expect(await held()).toBe(before);
  const left = there.forwardInPieces(nextStep([4], cache));
  left.next();
  left.return(undefined as never);
  expect(await held()).toBe(before);
});

it("a text leaves nothing behind", async () => {
  const there = loadModel(join(golden, "tiny-tied"), { device: awaitedDevice }).model;
  const text = async (): Promise<number> => {
    for await (const _ of generate(there, [5, 1, 7], { maxTokens: 3 }));
    return await held();
  };
  // The first text makes the rotary tables.
  const first = await text();
  expect(await text()).toBe(first);
});
