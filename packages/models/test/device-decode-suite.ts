// One text on a device: decoded by a captured graph, with the CPU's tokens, and nothing left behind.
import { fileURLToPath } from "node:url";
import { type CudaDeviceName, DeviceGraph, Indices, keep, liveBytes, Tensor, tidy } from "@qknorm/tensor";
import { expect, it } from "vitest";
import type { CausalLm } from "../src/families/causal-lm.ts";
import { loadModel } from "../src/families/load-model.ts";
import { generate, generateNow } from "../src/generation/generate.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const prompt = [5, 17, 9];

function load(device?: CudaDeviceName): CausalLm {
  return loadModel(folder, { dtype: "f32", ...(device && { device }) }).model;
}

/** Counts the calls of a method until it is restored: the portable folder has no spies. */
function countCalls<Name extends string>(
  owner: Record<Name, (...given: never[]) => unknown>,
  name: Name,
): { readonly calls: number; restore(): void } {
  const real = owner[name] as (this: unknown, ...given: unknown[]) => unknown;
  const counted = {
    calls: 0,
    restore: () => {
      owner[name] = real;
    },
  };
  owner[name] = function (this: unknown, ...given: unknown[]) {
    counted.calls += 1;
    return real.apply(this, given);
  };
  return counted;
}

export function deviceDecodeSuite(device: CudaDeviceName): void {
  it("has the CPU's tokens, by one graph that is replayed, awaited or not", async () => {
    const [here, there] = [load(), load(device)];
    const expected = [...generateNow(here, prompt, { maxTokens: 24 })];
    const captured = countCalls(DeviceGraph, "capture");
    const replayed = countCalls(DeviceGraph.prototype, "replay");
    try {
      expect([...generateNow(there, prompt, { maxTokens: 24 })]).toEqual(expected);
      expect(captured.calls).toBe(1);
      expect(replayed.calls).toBeGreaterThanOrEqual(22);
      const awaited: number[] = [];
      for await (const id of generate(there, prompt, { maxTokens: 24 })) awaited.push(id);
      expect(awaited).toEqual(expected);
    } finally {
      captured.restore();
      replayed.restore();
    }
  });

  it("ends at a stop id, when it is aborted, and where its reader stops, and leaves no memory", () => {
    const [here, there] = [load(), load(device)];
    const text = [...generateNow(here, prompt, { maxTokens: 12 })];
    // The first text makes what a model keeps: its rotary tables.
    for (const _ of generateNow(there, prompt, { maxTokens: 3 }));
    const before = liveBytes(device);
    const stop = text.at(-1) as number;
    const stopped = [...generateNow(there, prompt, { maxTokens: 12, stopIds: [stop] })];
    expect(stopped).toEqual(text.slice(0, text.indexOf(stop)));
    const controller = new AbortController();
    const heard: number[] = [];
    for (const id of generateNow(there, prompt, { signal: controller.signal })) {
      heard.push(id);
      if (heard.length === 5) controller.abort();
    }
    expect(heard).toEqual(text.slice(0, 5));
    for (const id of generateNow(there, prompt, {})) if (id === text[3]) break;
    expect(liveBytes(device)).toBe(before);
  });

  it("leaves whoever asks for traces to single passes", () => {
    const there = load(device);
    const captured = countCalls(DeviceGraph, "capture");
    for (const _ of generateNow(there, prompt, { maxTokens: 3, onTrace: () => {} }));
    expect(captured.calls).toBe(0);
    captured.restore();
  });

  it("has the same bits replayed as by calls", () => {
    const there = load(device);
    const made = (values: readonly number[]): Tensor =>
      keep(Tensor.from(values, [values.length], "i32", device));
    const [ids, positions] = [made([7]), made([3])];
    const cache = there.newCache();
    tidy(() => there.forward(nextStep(prompt, cache)));
    cache.reserve(1);
    const standing = Indices.onDevice(positions, cache.capacity);
    const step = {
      ids: Indices.onDevice(ids, there.vocabSize),
      ...{ positions: standing, slots: standing, past: standing, cache, trace: null },
    };
    const called = tidy(() => there.forward(step).readNow());
    let logits: Tensor | null = null;
    const graph = DeviceGraph.capture(device, () => {
      logits = keep(tidy(() => there.forward(step)));
    });
    graph.replay();
    expect((logits as unknown as Tensor).readNow()).toEqual(called);
    graph.dispose();
    cache.dispose();
  });
}
