import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { decoderFamily } from "../family.ts";
import { hybridDecoder, sharedExpertMlps } from "../hybrid-decoder.ts";
import { assertMade } from "../made-config.ts";
import { Qwen35Attention, Qwen35DeltaNet, qwen35Shapes, textWeights } from "../qwen3-5/model.ts";
import { parseQwen35MoeConfig, type Qwen35MoeConfig } from "./config.ts";

export { parseQwen35MoeConfig, type Qwen35MoeConfig } from "./config.ts";

/**
 * Attention of Qwen3.5-MoE: `[T, C] -> [T, C]`, that of Qwen3.5: RMS norms of `1 + weight` per head, rounded once, before RoPE of a
 * quarter of the head; the queries bring the gate of the output. From transformers' `Qwen3_5MoeAttention`.
 */
export class Qwen35MoeAttention extends Qwen35Attention {}

/** Qwen3.5-MoE, its text part. */
export class Qwen35MoeForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen35MoeConfig, options: ModelOptions) {
    assertMade(config, options, "kinds", "delta");
    const parts = { attention: Qwen35MoeAttention, delta: Qwen35DeltaNet, mlp: sharedExpertMlps(config) };
    super(hybridDecoder(config, parts), options);
  }
}

export const qwen35Moe = decoderFamily({
  modelType: "qwen3_5_moe_text",
  parse: parseQwen35MoeConfig,
  create: Qwen35MoeForCausalLm,
  shapes: qwen35Shapes,
  adapt: (weights) => stackedExperts(textWeights(weights)),
});
