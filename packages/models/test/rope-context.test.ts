// Positions of a model lie below its context, in layers of every kind: each table of angles has to reach that far.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { RopeSpec } from "../src/layers/rotary-embedding.ts";

const golden = join(import.meta.dirname, "../golden");

type Json = Record<string, unknown>;
type Parse = (raw: Json, warn: (said: string) => void) => { readonly maxPositions: number } & Json;

async function parserOf(family: string): Promise<Parse> {
  const module: Json = await import(`../src/families/${family}/config.ts`);
  const [name = ""] = Object.keys(module).filter((key) => /^parse\w+Config$/.test(key));
  return module[name] as Parse;
}

/** Of the family's golden files, the first config. */
function configOf(family: string): Json {
  const folder = join(golden, family);
  const variant = readdirSync(folder).find((name) => existsSync(join(folder, name, "config.json")));
  return JSON.parse(readFileSync(join(folder, variant as string, "config.json"), "utf8"));
}

const byKind = ["gemma3", "gemma4", "laguna", "olmo3"];
const theta = { rope_theta: 1e4 };

it.each(byKind)(
  "a scaling of %s's full layers stretches the context of those with a window",
  async (family) => {
    const parse = await parserOf(family);
    const raw = {
      ...configOf(family),
      max_position_embeddings: 1000,
      rope_scaling: undefined,
      rope_parameters: {
        full_attention: { ...theta, rope_type: "linear", factor: 8 },
        sliding_attention: { ...theta, rope_type: "default" },
      },
    };
    const { maxPositions, ropes } = parse(raw, () => {});
    const contexts = Object.values(ropes as Record<string, RopeSpec>).map((rope) => rope.maxPositions);
    expect([maxPositions, ...contexts]).toEqual([8000, 8000, 8000]);
  },
);
