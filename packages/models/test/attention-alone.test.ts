import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Attention,
  type AttentionOptions,
  KvCache,
  loadModule,
  nextStep,
  openSafetensors,
} from "@qknorm/models";
import { Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { listModels } from "../src/families/model-types.ts";

// What a model author does with a family's attention: makes it from a config, loads its weights, and calls it.

/** What checkpoints call the attention of a layer, where that is not usual. */
const PART: Readonly<Record<string, string>> = { "bailing-moe": "attention", "llada2-moe": "attention" };

const golden = join(import.meta.dirname, "../golden");

const folders = readdirSync(golden)
  .filter((family) => existsSync(join(golden, family, "keys.json")))
  .flatMap((family) =>
    readdirSync(join(golden, family)).map((name) => ({ family, dir: join(golden, family, name) })),
  )
  .filter(({ dir }) => existsSync(join(dir, "golden.json")))
  .filter(({ dir }) => JSON.parse(readFileSync(join(dir, "golden.json"), "utf8")).kind === "causal-lm")
  .filter(({ dir }) => listModels().includes(readConfig(dir).modelType));

type MakeAttention = new (config: object, options: AttentionOptions) => Attention;

describe.each([...new Set(folders.map(({ family }) => family))])("@qknorm/models/%s", (family) => {
  it("has an attention that runs alone, as in transformers", async () => {
    const entry: Record<string, unknown> = await import(`../src/families/${family}/model.ts`);
    const named = (pattern: RegExp) => Object.entries(entry).find(([name]) => pattern.test(name))?.[1];
    const FamilyAttention = named(/Attention$/) as MakeAttention;
    const parse = named(/^parse\w+Config$/) as (raw: object) => object;
    for (const { dir } of folders.filter((folder) => folder.family === family)) {
      const file = openSafetensors(join(dir, "golden.safetensors"));
      const ids = file.read("ids") as Int32Array;
      for (const layer of attentionLayers(file.names)) {
        const options = { weightDtype: "f32", rounding: "hf", layer } as const;
        const attention = new FamilyAttention(parse(readConfig(dir).raw), options);
        if (typeof attention.spec.values === "object") continue; // it reads the keys of another layer
        loadModule(attention, dir, `model.layers.${layer}.${PART[family] ?? "self_attn"}.`);
        const x = Tensor.from(file.read(`${layer}.hidden`) as Float32Array, [
          ids.length,
          file.info(`${layer}.hidden`).shape[1] as number,
        ]);
        const cache = new KvCache({ layers: layer + 1, dtype: "f32", maxPositions: 64 });
        const ours = attention.forward(x, nextStep(ids, cache)).toNumbers();
        const theirs = file.read(`${layer}.output`) as Float32Array;
        expect(
          Math.max(...theirs.map((value, i) => Math.abs(value - (ours[i] as number)))),
        ).toBeLessThanOrEqual(1e-4);
      }
      file.close();
    }
  });
});

/** Layers whose attention was recorded. */
function attentionLayers(names: readonly string[]): number[] {
  return names.flatMap((name) => /^(\d+)\.q_scores$/.exec(name)?.[1] ?? []).map(Number);
}
