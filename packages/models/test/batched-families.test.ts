import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";
import { ContinuousBatch } from "../src/generation/continuous-batch.ts";
import { generateNow } from "../src/generation/generate.ts";

const golden = join(import.meta.dirname, "../golden");

/** The first variant of each family whose golden logits are causal; those that decode by blocks can be causal too. */
const variants = readdirSync(golden).flatMap((family): (readonly [family: string, dir: string])[] => {
  if (!existsSync(join(golden, family, "keys.json"))) return [];
  const dirs = readdirSync(join(golden, family)).map((name) => join(golden, family, name));
  const causal = dirs.find((dir) => {
    if (!existsSync(join(dir, "golden.json"))) return false;
    const { kind, block = 1 } = JSON.parse(readFileSync(join(dir, "golden.json"), "utf8"));
    return kind !== "attention" && block === 1;
  });
  return causal === undefined ? [] : [[family, causal]];
});

/** Families whose layers carry a state from token to token, which pages do not hold. */
const carrying = new Set(["lfm2", "qwen3-5", "qwen3-5-moe", "qwen3-next"]);

beforeAll(() => {
  setQkNormLogger(null);
});

describe("in a batch", () => {
  it.each(variants.filter(([family]) => !carrying.has(family)))(
    "texts of %s have the tokens that each has alone",
    async (_, dir) => {
      const { model } = loadModel(dir, { dtype: "f32", blockLength: 1 });
      const prompts = [1, 9, 4, 14].map((length) =>
        Array.from({ length }, (_, i) => (i * 7 + length) % model.vocabSize),
      );
      using batch = new ContinuousBatch(model, {
        cache: { pages: 24, pageSize: 4 },
        maxSequences: 3,
        maxStepTokens: 8,
      });
      const texts = prompts.map(async (prompt) => {
        const ids: number[] = [];
        for await (const id of batch.generate(prompt, { maxTokens: 6 })) ids.push(id);
        return ids;
      });
      const alone = prompts.map((prompt) => [...generateNow(model, prompt, { maxTokens: 6 })]);
      expect(await Promise.all(texts)).toEqual(alone);
    },
  );

  it("texts of a model that decodes by blocks are refused by name", () => {
    const { model } = loadModel(join(golden, "tiny-untied"), { dtype: "f32", blockLength: 1 });
    expect(() => new ContinuousBatch(model, { cache: { pages: 8 } })).not.toThrow();
    const [, sdar = ""] = variants.find(([family]) => family === "llada2-moe") ?? [];
    const blocks = loadModel(sdar, { dtype: "f32", blockLength: 4 });
    expect(() => new ContinuousBatch(blocks.model, { cache: { pages: 8 } })).toThrow(
      expect.objectContaining({
        code: "ERR_GENERATION",
        message: expect.stringMatching(/blocks of 4 tokens/),
      }),
    );
  });

  it.each(variants.filter(([family]) => carrying.has(family)))(
    "texts of %s are refused by name",
    (_, dir) => {
      const { model } = loadModel(dir, { dtype: "f32" });
      expect(() => new ContinuousBatch(model, { cache: { pages: 8 } })).toThrow(
        expect.objectContaining({
          code: "ERR_GENERATION",
          message: expect.stringMatching(/carries a state/),
        }),
      );
    },
  );
});
