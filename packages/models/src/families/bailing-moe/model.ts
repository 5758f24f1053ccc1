import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import { bailingWeights } from "../bailing-fields.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps } from "../sparse-decoder.ts";
import { type BailingMoeConfig, parseBailingMoeConfig } from "./config.ts";

export { type BailingMoeConfig, parseBailingMoeConfig } from "./config.ts";

/**
 * Attention of Ling 2: `[T, C] -> [T, C]`. q, k and v are one projection; q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms
 * per head, weights `[D]`, rounded before and after the weight; then half of each head through RoPE in halves. From the
 * Ling 2.0 report (2025); not in transformers.
 */
export class BailingMoeAttention extends Attention {
  constructor(config: BailingMoeConfig, options: AttentionOptions) {
    assertMade(config, options);
    const { headDim, eps, qkvBias, outBias, useQkNorm } = config;
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: qkvBias, out: outBias },
        qkNorm: useQkNorm ? { q: norm, k: norm, order: "norm-rope" } : null,
        packing: "packed",
        names: {
          qkvProj: "query_key_value",
          qNorm: "query_layernorm",
          kNorm: "key_layernorm",
          oProj: "dense",
        },
      },
      options,
    );
  }
}

/** Ling 2 and Ring 2. */
export class BailingMoeForCausalLm extends DecoderForCausalLm {
  constructor(config: BailingMoeConfig, options: ModelOptions) {
    assertMade(config, options);
    const layerNames = { mixer: "attention" };
    super(
      denseDecoder(config, { attention: BailingMoeAttention, mlp: sparseMlps(config), layerNames }),
      options,
    );
  }
}

export const bailingMoe = decoderFamily({
  modelType: "bailing_moe",
  parse: parseBailingMoeConfig,
  create: BailingMoeForCausalLm,
  ...bailingWeights,
});
