// The life of a model on a device: from its file, past JavaScript's memory, to its end, after which nothing is left.
import { fileURLToPath } from "node:url";
import { type CudaDeviceName, liveBytes, type Tensor, tidy } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { SafetensorsFile } from "../src/checkpoint/safetensors.ts";
import { type LoadOptions, loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generate, generateNow } from "../src/generation/generate.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const experts = fileURLToPath(new URL("../golden/qwen3-moe/normalised", import.meta.url));
const prompt = [5, 17, 9];

const load = (options: LoadOptions, dir = folder) => loadModel(dir, options).model;

export function deviceLifeSuite(device: CudaDeviceName): void {
  it.each([
    ["its own dtype", folder, "f32"],
    ["another dtype", folder, "bf16"],
    ["stacks of experts that have a tensor each", experts, "f32"],
  ] as const)(
    "reads weights of %s straight to the device, with the bits that the CPU has",
    (_, dir, dtype) => {
      const { read } = SafetensorsFile.prototype;
      let throughHost = 0;
      const here = load({ dtype }, dir);
      SafetensorsFile.prototype.read = function (...given) {
        throughHost += 1;
        return read.apply(this, given);
      };
      try {
        const done: number[] = [];
        using there = load(
          { dtype, device, onProgress: ({ doneBytes, totalBytes }) => done.push(doneBytes / totalBytes) },
          dir,
        );
        expect(throughHost).toBe(0);
        expect([done.length > 5, done.at(-1)]).toEqual([true, 1]);
        const bits = (parameter: Tensor) => [...(parameter.readNow() as Uint16Array)];
        for (const [path, parameter] of there.parameters()) {
          expect([path, bits(parameter)]).toEqual([
            path,
            bits(new Map(here.parameters()).get(path) as Tensor),
          ]);
        }
      } finally {
        SafetensorsFile.prototype.read = read;
      }
    },
  );

  it("decodes with a cache of e4m3 by a captured graph and in a batch, with the CPU's tokens", async () => {
    const before = liveBytes(device);
    const options = { dtype: "f32", cacheDtype: "e4m3" } as const;
    using there = load({ ...options, device });
    const expected = [...generateNow(load(options), prompt, { maxTokens: 12 })];
    expect([...generateNow(there, prompt, { maxTokens: 12 })]).toEqual(expected);
    const batch = new ContinuousBatch(there, { cache: { pages: 16, pageSize: 4 } });
    const ids: number[] = [];
    for await (const id of batch.generate(prompt, { maxTokens: 12 })) ids.push(id);
    expect(ids).toEqual(expected);
    batch.dispose();
    there.dispose();
    expect(liveBytes(device)).toBe(before);
  });

  it("leaves nothing once disposed, twice too, and says so to whoever uses it then", async () => {
    const before = liveBytes(device);
    const model = load({ device });
    const cache = model.newCache();
    tidy(() => void model.forward(nextStep(prompt, cache)));
    const batch = new ContinuousBatch(model, { cache: { pages: 4 } });
    for await (const _ of batch.generate(prompt, { maxTokens: 2 }));
    for (const held of [batch, cache, model, batch, cache, model]) held.dispose();
    expect(liveBytes(device)).toBe(before);
    const gone = (what: string) =>
      expect.objectContaining({ code: "ERR_GENERATION", message: `this ${what} was disposed` });
    expect(() => model.newCache()).toThrow(gone("model"));
    expect(() => model.newPagedCache({ pages: 4 })).toThrow(gone("model"));
    expect(() => [...generateNow(model, prompt)]).toThrow(gone("model"));
    expect(() => batch.generate(prompt)).toThrow(gone("batch"));
    const other = load({ device });
    expect(() => tidy(() => other.forward(nextStep(prompt, cache)))).toThrow(gone("cache"));
    other.dispose();
    expect(liveBytes(device)).toBe(before);
  });

  it("frees what was made when loading is broken off", () => {
    const before = liveBytes(device);
    const stop = new Error("enough");
    let heard = 0;
    const onProgress = (): void => {
      heard += 1;
      if (heard === 4) throw stop;
    };
    expect(() => load({ device, onProgress })).toThrow(stop);
    expect([heard, liveBytes(device)]).toEqual([4, before]);
  });

  it("runs two models beside each other, each with its own text, and one goes on when the other has ended", async () => {
    const before = liveBytes(device);
    const [first, second] = [load({ device }), load({ device }, experts)];
    const expected = [load({}), load({}, experts)].map((model) => [
      ...generateNow(model, prompt, { maxTokens: 6 }),
    ]);
    const all = async (tokens: AsyncIterable<number>): Promise<number[]> => {
      const ids: number[] = [];
      for await (const id of tokens) ids.push(id);
      return ids;
    };
    const both = [first, second].map((model) => all(generate(model, prompt, { maxTokens: 6 })));
    expect(await Promise.all(both)).toEqual(expected);
    first.dispose();
    expect([...generateNow(second, prompt, { maxTokens: 6 })]).toEqual(expected[1]);
    second.dispose();
    expect(liveBytes(device)).toBe(before);
  });
}
