import { join } from "node:path";
import { encodeBf16 } from "@qknorm/core";
import type { Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { loadModel } from "../families/load-model.ts";
import { qwen3 } from "../families/qwen3/model.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { readConfig } from "./config.ts";
import { loadWeights, weightDtypeOf } from "./load-weights.ts";
import { withoutHead } from "./tied-head.ts";
import { type Weight, type Weights, weightsOf } from "./weights.ts";

const tied = join(import.meta.dirname, "../../golden/tiny-tied"); // bf16, with a redundant lm_head.weight
const untied = join(import.meta.dirname, "../../golden/tiny-untied"); // f32, two shards

function weights(folder: string, dtype: "f32" | "bf16" | "f16"): Map<string, Tensor> {
  return new Map(loadModel(folder, { dtype }).model.parameters());
}

describe("loadWeights", () => {
  it("keeps bf16 weights as they are, also for f32 activations", () => {
    const checkpoint = openCheckpoint(tied);
    for (const dtype of ["bf16", "f32"] as const) {
      for (const [name, parameter] of weights(tied, dtype)) {
        expect(parameter.dtype).toBe("bf16");
        const stored = checkpoint.read(name);
        expect(parameter.data.subarray(parameter.offset, parameter.offset + parameter.size)).toEqual(stored);
      }
    }
    checkpoint.close();
  });

  it("rounds f32 weights once for bf16 activations, as transformers does", () => {
    const checkpoint = openCheckpoint(untied);
    for (const [name, parameter] of weights(untied, "bf16")) {
      const stored = checkpoint.read(name) as Float32Array;
      const kept = parameter.data.subarray(parameter.offset, parameter.offset + parameter.size);
      expect([...kept]).toEqual([...stored].map(encodeBf16));
    }
    checkpoint.close();
  });

  it("keeps f32 weights for f32 activations", () => {
    expect(weightDtypeOf(weightsOf(openCheckpoint(untied)), "f32")).toBe("f32");
    expect(weightDtypeOf(weightsOf(openCheckpoint(tied)), "f32")).toBe("bf16");
    expect(weightDtypeOf(weightsOf(openCheckpoint(untied)), "f16")).toBe("f16");
  });

  it("leaves a tied model's redundant lm_head.weight alone", () => {
    expect(weights(tied, "f32").has("lm_head.weight")).toBe(false);
    expect(weights(untied, "f32").has("lm_head.weight")).toBe(true);
  });

  it.each([
    ["a tensor that is missing", { drop: "model.norm.weight" }, /lacks model\.norm\.weight/],
    ["a tensor that is left over", { add: "model.layers.0.extra.weight" }, /extra\.weight, which this model/],
    [
      "a tensor of another shape",
      { shape: "model.layers.0.self_attn.k_proj.weight" },
      /k_proj.*\[1, 2\].*\[128, 48\]/,
    ],
    ["a tensor of integers", { dtype: "model.layers.1.mlp.up_proj.weight" }, /up_proj\.weight has dtype I64/],
  ])("names %s, before it reads any", (_, change, message) => {
    const { raw } = readConfig(tied);
    const options = { dtype: "bf16", weightDtype: "bf16", rounding: "hf" } as const;
    const model = qwen3.read(raw, () => {}).create(options);
    const weights = altered(withoutHead(weightsOf(openCheckpoint(tied))), change);
    expect(() => loadWeights(model, weights, tied)).toThrowError(
      expect.objectContaining({ code: "ERR_CHECKPOINT", message: expect.stringMatching(message) }),
    );
    for (const [, parameter] of model.parameters()) expect(isZero(parameter)).toBe(true);
  });
});

interface Change {
  readonly drop?: string;
  readonly add?: string;
  readonly shape?: string;
  readonly dtype?: string;
}

/** The weights as they would be with one tensor changed. */
function altered(weights: Weights, { drop, add, shape, dtype }: Change): Weights {
  const changed = new Map(weights);
  if (drop !== undefined) changed.delete(drop);
  const any = weights.get("model.norm.weight") as Weight;
  if (add !== undefined) changed.set(add, any);
  if (shape !== undefined) changed.set(shape, { ...(weights.get(shape) as Weight), shape: [1, 2] });
  if (dtype !== undefined) changed.set(dtype, { ...(weights.get(dtype) as Weight), dtype: "I64" });
  return changed;
}

function isZero(parameter: Tensor): boolean {
  return parameter.toNumbers().every((value) => value === 0);
}
