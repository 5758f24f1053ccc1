import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type HunyuanV1DenseConfig, parseHunyuanV1DenseConfig } from "./config.ts";

export { type HunyuanV1DenseConfig, parseHunyuanV1DenseConfig } from "./config.ts";

/**
 * Attention of Hunyuan v1: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RoPE in halves first and through
 * RMS norms per head after it, weights `[D]`, rounded before and after the weight. From transformers'
 * `HunYuanDenseV1Attention`.
 */
export class HunyuanV1DenseAttention extends Attention {
  constructor(config: HunyuanV1DenseConfig, options: AttentionOptions) {
    assertMade(config, options);
    const bias = { qkv: config.attentionBias, out: config.attentionBias };
    const norm = rmsSetting(config.headDim, config.eps);
    const names = { qNorm: "query_layernorm", kNorm: "key_layernorm" };
    super({ ...config, bias, qkNorm: { q: norm, k: norm, order: "rope-norm" }, names }, options);
  }
}

/** Hunyuan v1 (dense). */
export class HunyuanV1DenseForCausalLm extends DecoderForCausalLm {
  constructor(config: HunyuanV1DenseConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: HunyuanV1DenseAttention }), options);
  }
}

export const hunyuanV1Dense = decoderFamily({
  modelType: "hunyuan_v1_dense",
  parse: parseHunyuanV1DenseConfig,
  create: HunyuanV1DenseForCausalLm,
});
