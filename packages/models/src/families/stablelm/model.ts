import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { layerNormSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { parseStableLmConfig, type StableLmConfig } from "./config.ts";

export { parseStableLmConfig, type StableLmConfig } from "./config.ts";

/**
 * Attention of StableLM 2: `[T, C] -> [T, C]`. Where the config asks, each head of q and k has a LayerNorm of its own without
 * bias, kept here as weights `[Hq, D]` and `[Hkv, D]`, rounded once; then RoPE in halves of a part of the head. From the
 * StableLM 2 technical report (2024) and transformers' `StableLmAttention`.
 */
export class StableLmAttention extends Attention {
  constructor(config: StableLmConfig, options: AttentionOptions) {
    assertMade(config, options);
    const { queryHeads, kvHeads, headDim, eps, qkvBias, usesQkNorm } = config;
    const norm = layerNormSetting(headDim, eps, "no bias");
    super(
      {
        ...config,
        bias: { qkv: qkvBias, out: false },
        qkNorm: usesQkNorm
          ? {
              q: { ...norm, shape: [queryHeads, headDim] },
              k: { ...norm, shape: [kvHeads, headDim] },
              order: "norm-rope",
              split: "per-head",
            }
          : null,
        names: { qNorm: "q_layernorm", kNorm: "k_layernorm" },
      },
      options,
    );
  }
}

/** StableLM and StableLM 2. */
export class StableLmForCausalLm extends DecoderForCausalLm {
  constructor(config: StableLmConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: StableLmAttention,
        arrangement: config.parallel ? "parallel" : "pre",
        norm: layerNormSetting(config.hiddenSize, config.eps, "bias"),
      }),
      options,
    );
  }
}

export const stableLm = decoderFamily({
  modelType: "stablelm",
  parse: parseStableLmConfig,
  create: StableLmForCausalLm,
});
