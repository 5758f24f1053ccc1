import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { qkNormAcrossHeads } from "../across-heads.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type OlmoeConfig, parseOlmoeConfig } from "./config.ts";

export { type OlmoeConfig, parseOlmoeConfig } from "./config.ts";

/**
 * Attention of OLMoE: `[T, C] -> [T, C]`. q and k go through RMS norms across all heads of a token, weights `[Hq * D]` and
 * `[Hkv * D]`, rounded before and after the weight; with `clip`, both and v are cut to it; then RoPE in halves. From
 * Muennighoff et al. (2024) and transformers' `OlmoeAttention`.
 */
export class OlmoeAttention extends Attention {
  constructor(config: OlmoeConfig, options: AttentionOptions) {
    assertMade(config, options);
    const { attentionBias } = config;
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: qkNormAcrossHeads(config, "hf"),
      },
      options,
    );
  }
}

/** OLMoE. */
export class OlmoeForCausalLm extends DecoderForCausalLm {
  constructor(config: OlmoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: OlmoeAttention, mlp: sparseMlps(config) }), options);
  }
}

export const olmoe = decoderFamily({
  modelType: "olmoe",
  parse: parseOlmoeConfig,
  create: OlmoeForCausalLm,
  shapes: sparseShapes,
  adapt: stackedExperts,
});
