import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel } from "../src/families/load-model.ts";

const golden = join(import.meta.dirname, "../golden");
const root = mkdtempSync(join(tmpdir(), "qknorm-experts-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A golden folder whose config has other values. */
function folder(family: string, variant: string, change: Record<string, unknown>): string {
  const dir = mkdtempSync(join(root, family));
  const source = join(golden, family, variant);
  cpSync(join(source, "model.safetensors"), join(dir, "model.safetensors"));
  const config = JSON.parse(readFileSync(join(source, "config.json"), "utf8"));
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...config, ...change }));
  return dir;
}

const huge = 2 ** 40;

describe("a config that asks for more experts than the checkpoint has is refused before anything is made", () => {
  it.each([
    ["qwen3-moe", "normalised", { num_experts: huge }],
    ["qwen3-moe", "normalised", { moe_intermediate_size: huge }],
    ["glm4-moe", "normed", { n_shared_experts: huge }],
    ["bailing-moe", "ling-mini", { num_shared_experts: huge }],
    ["hy-v3", "published", { num_experts: huge }],
    ["laguna", "per-head-gate", { shared_expert_intermediate_size: huge }],
    ["laguna", "per-head-gate", { num_attention_heads_per_layer: [4, huge, 6] }],
    ["llama4", "chunked", { num_local_experts: huge }],
    ["llama4", "chunked", { intermediate_size: huge }],
    ["llama4", "chunked", { intermediate_size_mlp: huge }],
  ])("%s %s with %j", (family, variant, change) => {
    expect(() => loadModel(folder(family, variant, change))).toThrow(
      expect.objectContaining({ code: "ERR_CHECKPOINT" }),
    );
  });
});

describe("a config whose numbers do not fit together is refused by the name of a key", () => {
  it.each([
    ["qwen3-moe", "normalised", { num_experts_per_tok: 9 }, /num_experts_per_tok is 9, of 8 experts/],
    ["qwen3-moe", "normalised", { num_local_experts: 4 }, /num_local_experts is 4, and num_experts is 8/],
    ["qwen3-moe", "normalised", { mlp_only_layers: ["1"] }, /mlp_only_layers must be a list of layers/],
    ["glm4-moe", "normed", { n_group: 3 }, /n_group is 3/],
    ["glm4-moe", "normed", { n_group: 8 }, /n_group is 8/],
    ["glm4-moe", "normed", { topk_group: 5 }, /topk_group is 5 of 4 groups/],
    ["bailing-moe", "ling-mini", { norm_topk_prob: false }, /norm_topk_prob is false/],
    ["bailing-moe", "ling-mini", { rotary_dim: 7 }, /rotary_dim is 7/],
    ["llada2-moe", "blocks", { norm_head: true }, /norm_head is true/],
    ["hunyuan-v1-moe", "published", { moe_topk: [3, 9] }, /moe_topk must be a number of experts/],
    ["exaone-moe", "hybrid", { mlp_layer_types: ["dense"] }, /mlp_layer_types must be a list/],
    ["laguna", "per-head-gate", { moe_apply_router_weight_on_input: true }, /weights on the experts' input/],
    [
      "llama4",
      "chunked",
      { layer_types: ["sliding_attention", "x", "y", "z"] },
      /layer_types must be a list/,
    ],
    ["llama4", "chunked", { moe_layers: "all" }, /moe_layers must be a list of layers/],
  ])("%s %s with %j", (family, variant, change, message) => {
    expect(() => loadModel(folder(family, variant, change))).toThrow(message);
  });
});
