import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { withoutLayers } from "../../checkpoint/weight-names.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type Glm4MoeConfig, parseGlm4MoeConfig } from "./config.ts";

export { type Glm4MoeConfig, parseGlm4MoeConfig } from "./config.ts";

/**
 * Attention of GLM-4.5: `[T, C] -> [T, C]`. With `useQkNorm`, q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head,
 * weights `[D]`, rounded before and after the weight; then the first half of each head through RoPE in halves. From the
 * GLM-4.5 report (2025) and transformers' `Glm4MoeAttention`.
 */
export class Glm4MoeAttention extends Attention {
  constructor(config: Glm4MoeConfig, options: AttentionOptions) {
    assertMade(config, options);
    const norm = rmsSetting(config.headDim, config.eps);
    super(
      {
        ...config,
        bias: { qkv: config.attentionBias, out: false },
        qkNorm: config.useQkNorm ? { q: norm, k: norm, order: "norm-rope" } : null,
      },
      options,
    );
  }
}

/** GLM-4.5, 4.6 and 4.7. */
export class Glm4MoeForCausalLm extends DecoderForCausalLm {
  constructor(config: Glm4MoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: Glm4MoeAttention, mlp: sparseMlps(config) }), options);
  }
}

export const glm4Moe = decoderFamily({
  modelType: "glm4_moe",
  parse: parseGlm4MoeConfig,
  create: Glm4MoeForCausalLm,
  shapes: sparseShapes,
  adapt: (weights, { layers, predictingLayers }) =>
    stackedExperts(withoutLayers(weights, layers, predictingLayers)),
});
