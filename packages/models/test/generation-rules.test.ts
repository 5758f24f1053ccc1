import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import golden from "../golden/variants/generations.json" with { type: "json" };
import variants from "../golden/variants/variants.json" with { type: "json" };
import { loadModel } from "../src/families/load-model.ts";
import { generateNow } from "../src/generation/generate.ts";
import { createSampler } from "../src/generation/sampling.ts";

// What transformers continues with; oracle/variants/golden_generation.py wrote it.
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "generation-rules-"));
  symlinkSync(
    join(import.meta.dirname, "../golden/variants/model.safetensors"),
    join(dir, "model.safetensors"),
  );
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...variants.base, eos_token_id: null }));
});
afterEach(() => rmSync(dir, { recursive: true }));

const named = golden.cases.map(
  (item, n) => [`${Object.keys(item.settings).join(", ")} (${n})`, item] as const,
);

it.each(named)(
  "greedy decoding continues as transformers does under %s",
  (_, { settings, ids, generated }) => {
    writeFileSync(join(dir, "generation_config.json"), JSON.stringify(settings));
    const { model, generation } = loadModel(dir, { dtype: "f32" });
    const sample = createSampler(generation.sampling({ temperature: 0 }, ids.length + golden.newTokens));
    const ours: number[] = [];
    for (const id of generateNow(model, ids, { sample, maxTokens: golden.newTokens })) {
      ours.push(id);
      if (generation.eosTokenIds.includes(id)) break;
    }
    expect(ours).toEqual(generated);
    expect(generation.warnings).toEqual([]);
  },
);
