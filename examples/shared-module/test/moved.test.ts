import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { Tensor } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { Glm4MoeAttention as Copy } from "../../model-repo/src/models/glm4-moe.ts";
import { sampleInput } from "../../model-repo/src/registry.ts";
import { Glm4Moe } from "../src/glm4-moe.ts";

/** The copy's settings, in the words of the published config.json. */
const published = {
  ...{ model_type: "glm4_moe", hidden_size: 24, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8 },
  ...{ rms_norm_eps: 1e-5, rope_theta: 10_000, partial_rotary_factor: 0.5, attention_bias: false },
  ...{ vocab_size: 32, num_hidden_layers: 1, intermediate_size: 32, moe_intermediate_size: 8 },
  ...{ n_routed_experts: 4, n_shared_experts: 1, num_experts_per_tok: 2, n_group: 1, topk_group: 1 },
};

it.each([true, false])("the family's module computes what the copy did, QK norm %s", (useQkNorm) => {
  setQkNormLogger(null);
  const toy = { hidden: 24, heads: 4, kvHeads: 2, headDim: 8, eps: 1e-5, ropeTheta: 10_000, seed: 3 };
  const copy = new Copy({ ...toy, useQkNorm, partialRotary: 0.5 });
  const moved = new Glm4Moe({ ...published, use_qk_norm: useQkNorm });
  for (const [name, parameter] of moved.attention.parameters()) {
    const field = name.replace(/_(\w)|\.weight$/g, (_, letter = "") => letter.toUpperCase()) as
      | "qProj"
      | "qNorm";
    const { data, shape } = copy[field].weight;
    const theirs = Tensor.from(data, shape);
    // The copy's matrices are [in, out].
    parameter.copyFrom(shape.length === 2 ? theirs.transpose(0, 1) : theirs);
  }
  const x = sampleInput();
  const [before, after] = [copy.forward(x).data, moved.forward(Tensor.from(x.data, x.shape)).toNumbers()];
  expect(Math.max(...after.map((value, i) => Math.abs(value - before[i]!)))).toBeLessThan(1e-6);
});

it("is what the page shows", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/from-copy-to-module.md"), "utf8");
  const source = readFileSync(join(import.meta.dirname, "../src/glm4-moe.ts"), "utf8");
  expect(page).toContain(source);
});
