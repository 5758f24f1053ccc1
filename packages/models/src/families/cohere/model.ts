import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { layerNormSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type CohereConfig, parseCohereConfig } from "./config.ts";

export { type CohereConfig, parseCohereConfig } from "./config.ts";

/**
 * Attention of Command R and R+: `[T, C] -> [T, C]`. Where the config asks, q and k go through LayerNorms per head without bias,
 * weights `[Hq, D]` and `[Hkv, D]`, rounded once; then RoPE over neighbouring pairs, in f32 from rounded cos and sin, rounded
 * once. From transformers' `CohereAttention`.
 */
export class CohereAttention extends Attention {
  constructor(config: CohereConfig, options: AttentionOptions) {
    assertMade(config, options);
    const { queryHeads, kvHeads, headDim, eps, attentionBias, usesQkNorm } = config;
    const norm = layerNormSetting(headDim, eps, "no bias");
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: usesQkNorm
          ? {
              q: { ...norm, shape: [queryHeads, headDim] },
              k: { ...norm, shape: [kvHeads, headDim] },
              order: "norm-rope",
            }
          : null,
      },
      options,
    );
  }
}

/** Command R and R+. */
export class CohereForCausalLm extends DecoderForCausalLm {
  constructor(config: CohereConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: CohereAttention,
        arrangement: "parallel",
        norm: layerNormSetting(config.hiddenSize, config.eps, "no bias"),
        logitScale: config.logitScale,
      }),
      options,
    );
  }
}

export const cohere = decoderFamily({
  modelType: "cohere",
  parse: parseCohereConfig,
  create: CohereForCausalLm,
});
