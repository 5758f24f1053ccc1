import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { PlainMlp } from "../../layers/mlp.ts";
import { type NormSetting, rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type NanochatConfig, parseNanochatConfig } from "./config.ts";

export { type NanochatConfig, parseNanochatConfig } from "./config.ts";

function weightless({ headDim, eps }: NanochatConfig): NormSetting {
  return { ...rmsSetting(headDim, eps), shape: null };
}

/**
 * Attention of nanochat: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RoPE in halves, turned the other way,
 * and after it through RMS norms per head without weight. From Karpathy's nanochat (2025) and transformers'
 * `NanoChatAttention`.
 */
export class NanochatAttention extends Attention {
  constructor(config: NanochatConfig, options: AttentionOptions) {
    assertMade(config, options);
    const bias = { qkv: config.attentionBias, out: config.attentionBias };
    const norm = weightless(config);
    super({ ...config, bias, qkNorm: { q: norm, k: norm, order: "rope-norm" } }, options);
  }
}

/** nanochat: no norm has a weight, and the embedding goes through one too. */
export class NanochatForCausalLm extends DecoderForCausalLm {
  constructor(config: NanochatConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: NanochatAttention,
        mlp: (context) => new PlainMlp(config, { up: "fc1", down: "fc2" }, context),
        norm: weightless(config),
        embeddingNorm: weightless(config),
        logitSoftCap: config.logitSoftCap,
      }),
      options,
    );
  }
}

export const nanochat = decoderFamily({
  modelType: "nanochat",
  parse: parseNanochatConfig,
  create: NanochatForCausalLm,
  shapes: ({ queryHeads, headDim, hiddenSize, intermediateSize }) => ({
    "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
    "mlp.fc1.weight": [intermediateSize, hiddenSize],
  }),
});
