import { describe, expect, it } from "vitest";
import keys from "../../golden/variants/keys.json" with { type: "json" };
import variants from "../../golden/variants/variants.json" with { type: "json" };
import { parseQwen3Config } from "../families/qwen3/config.ts";
import { ConfigFields } from "./config-fields.ts";
import { GenerationConfig } from "./generation-config.ts";
import { GENERATION_DEFAULTS } from "./generation-keys.ts";

/** Values that ask for something, whatever the type of a key is. */
const ASKING = [true, false, 3, 0.5, "x", [1], { x: 1 }];

/** What a parser says of a key: the sentence of its refusal, the warning, or nothing. */
function said(config: object): string {
  const warnings: string[] = [];
  try {
    parseQwen3Config({ ...variants.base, ...config }, (warning) => warnings.push(warning));
  } catch (error) {
    return (error as Error).message;
  }
  return warnings.join("\n");
}

describe("every key of transformers' Qwen3Config", () => {
  it("is there in the list to be walked", () => {
    expect(keys.qwen3Config.length).toBeGreaterThan(45);
    expect(keys.qwen3Config).toEqual(
      expect.arrayContaining(["is_causal", "rope_parameters", "sliding_window"]),
    );
  });

  it.each(keys.qwen3Config)("%s is read, harmless or refused by name", (key) => {
    for (const value of ASKING) expect(said({ [key]: value })).not.toMatch(new RegExp(`too: ${key}$`));
  });

  it("or else is named in one warning, however many there are", () => {
    expect(said({ logit_scale: 2, other: null })).toBe(
      "config.json: has a key that nothing reads, as transformers ignores it too: logit_scale",
    );
    const many = Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`${"k".repeat(1000)}${i}`, 1]));
    expect(said(many).length).toBeLessThan(1000);
    expect(said(many)).toContain("and 99994 more");
  });

  it.each([
    ["is_encoder_decoder", true],
    ["per_layer_config", { 0: { head_dim: 8 } }],
    ["transformers_weights", "other.safetensors"],
  ])("that would change the logits is refused: %s", (key, value) => {
    expect(said({ [key]: value })).toMatch(new RegExp(`config.json: ${key} is .* not supported`));
  });

  it("that asks for nothing is no trouble", () => {
    expect(
      said({ is_causal: true, is_encoder_decoder: false, pruned_heads: {}, per_layer_config: null }),
    ).toBe("");
  });
});

describe("every key of transformers' GenerationConfig", () => {
  it.each(keys.generationConfig)("%s is done, harmless, or named in the warning", (key) => {
    const config = (value: unknown) => new GenerationConfig(new ConfigFields({ [key]: value }, "f"), []);
    const named = ASKING.map((value) => config(value).warnings.join());
    const silent = named.filter((warning) => warning === "");
    // Of one kind throughout, but for its default.
    const usual = ASKING.filter((value) => value === GENERATION_DEFAULTS[key]);
    expect([ASKING.length, usual.length]).toContain(silent.length);
    for (const warning of named.filter((text) => text !== ""))
      expect(warning).toMatch(new RegExp(`: ${key}$`));
  });
});
