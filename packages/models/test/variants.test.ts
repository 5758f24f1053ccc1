import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import golden from "../golden/variants/variants.json" with { type: "json" };
import { loadEmbedder, loadModel } from "../src/families/load-model.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

// What transformers made of one tiny checkpoint under other configs; oracle/variants/golden.py wrote it.
const source = join(import.meta.dirname, "../golden/variants");

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "variants-"));
  symlinkSync(join(source, "model.safetensors"), join(dir, "model.safetensors"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function writeConfig(changes: object): void {
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...golden.base, ...changes }));
}

function addAdapter(): void {
  const adapter = join(source, "adapter");
  for (const file of readdirSync(adapter)) copyFileSync(join(adapter, file), join(dir, file));
}

function largestDifference(ours: ArrayLike<number>, theirs: readonly number[]): number {
  expect(ours.length).toBe(theirs.length);
  return theirs.reduce((largest, value, i) => Math.max(largest, Math.abs(value - ours[i]!)), 0);
}

describe("logits are within 1e-4 of transformers with", () => {
  it.each(golden.cases.map((variant) => [variant.name, variant] as const))("%s", (_, variant) => {
    writeConfig(variant.config);
    if (variant.adapter) addAdapter();
    const { model } = loadModel(dir, { dtype: "f32" });
    const rows = variant.logits.length;
    const logits = model.forward(nextStep(variant.ids, model.newCache()), "all").toNumbers();
    const last = logits.subarray(logits.length - rows * golden.base.vocab_size);
    expect(largestDifference(last, variant.logits.flat())).toBeLessThanOrEqual(1e-4);
  });
});

describe("a window", () => {
  const windowed = golden.cases.find(({ name }) => name === "a window of 5 from layer 1")!;

  it("gives the same logits when tokens come one at a time through the KV cache", () => {
    writeConfig(windowed.config);
    const { model } = loadModel(dir, { dtype: "f32" });
    const cache = model.newCache();
    const rows = windowed.ids.map((id) => model.forward(nextStep([id], cache)).toNumbers());
    const last = rows.slice(-windowed.logits.length);
    for (const [i, row] of last.entries())
      expect(largestDifference(row, windowed.logits[i]!)).toBeLessThanOrEqual(1e-4);
  });

  it("as long as the context changes nothing", () => {
    writeConfig({ use_sliding_window: true, sliding_window: 64, max_window_layers: 0 });
    const { model } = loadModel(dir, { dtype: "f32" });
    const plain = golden.cases[0]!;
    const logits = model.forward(nextStep(plain.ids, model.newCache())).toNumbers();
    expect(largestDifference(logits, plain.logits.at(-1)!)).toBeLessThanOrEqual(1e-4);
  });
});

describe("embeddings", () => {
  const { ids, embeddings } = golden.cases[0]!;

  it.each([
    ["the last token where nobody says how", null, "last"],
    ["the last token", { pooling_mode_lasttoken: true, pooling_mode_mean_tokens: false }, "last"],
    ["the first token", { pooling_mode_cls_token: true }, "first"],
    ["the mean", { pooling_mode_mean_tokens: true, word_embedding_dimension: 16 }, "mean"],
  ] as const)("pool by %s and have length 1", async (_, pooling, mode) => {
    writeConfig({});
    writePooling(pooling);
    const { embedder } = loadEmbedder(dir, { dtype: "f32" });
    const vector = await embedder.embed(ids);
    expect(largestDifference(vector, embeddings![mode])).toBeLessThanOrEqual(1e-5);
  });

  it("refuse a way of pooling by name", () => {
    writeConfig({});
    writePooling({ pooling_mode_max_tokens: true });
    expect(() => loadEmbedder(dir)).toThrow("1_Pooling/config.json: pools by pooling_mode_max_tokens");
  });

  function writePooling(pooling: object | null): void {
    if (pooling === null) return;
    mkdirSync(join(dir, "1_Pooling"));
    writeFileSync(join(dir, "1_Pooling/config.json"), JSON.stringify(pooling));
  }
});

describe("warnings", () => {
  it("name a head that differs from the embedding, an adapter, and keys that nobody reads", () => {
    addAdapter();
    writeConfig({
      tie_word_embeddings: true,
      logit_scale: 3,
      rope_scaling: { type: "linear", factor: 2, mscale: 1 },
    });
    expect(loadModel(dir).warnings).toEqual([
      "config.json: has keys that nothing reads, as transformers ignores them too: logit_scale, rope_scaling.mscale",
      "adapter_model.safetensors is merged into 14 matrices",
      "config.json: tie_word_embeddings is true, but lm_head.weight differs from the embedding; it is used, as in transformers",
    ]);
  });

  it("are none for a plain folder", () => {
    writeConfig({});
    expect(loadModel(dir).warnings).toEqual([]);
  });
});
