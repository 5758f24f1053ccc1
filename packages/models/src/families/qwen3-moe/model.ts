import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { Qwen3Attention } from "../qwen3/model.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { parseQwen3MoeConfig, type Qwen3MoeConfig } from "./config.ts";

export { parseQwen3MoeConfig, type Qwen3MoeConfig } from "./config.ts";

/**
 * Attention of Qwen3-MoE: `[T, C] -> [T, C]`, that of Qwen3: RMS norms per head before RoPE, rounded before and after the
 * weight. From the Qwen3 technical report (2025) and transformers' `Qwen3MoeAttention`.
 */
export class Qwen3MoeAttention extends Qwen3Attention {}

/** Qwen3-MoE. */
export class Qwen3MoeForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen3MoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: Qwen3MoeAttention, mlp: sparseMlps(config) }), options);
  }
}

export const qwen3Moe = decoderFamily({
  modelType: "qwen3_moe",
  parse: parseQwen3MoeConfig,
  create: Qwen3MoeForCausalLm,
  shapes: sparseShapes,
  adapt: stackedExperts,
});
