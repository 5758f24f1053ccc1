import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type LlamaConfig, parseLlamaConfig } from "./config.ts";

export { type LlamaConfig, parseLlamaConfig } from "./config.ts";

/**
 * Attention of Llama: `[T, C] -> [T, C]`, q `[T, Hq, D]`, k and v `[T, Hkv, D]`, RoPE in halves, no QK norm. From
 * Touvron et al. (2023) and transformers' `LlamaAttention`.
 */
export class LlamaAttention extends Attention {
  constructor(config: LlamaConfig, options: AttentionOptions) {
    assertMade(config, options);
    const bias = { qkv: config.attentionBias, out: config.attentionBias };
    super({ ...config, bias, qkNorm: null }, options);
  }
}

/** Llama 2, 3 and what shares their config. */
export class LlamaForCausalLm extends DecoderForCausalLm {
  constructor(config: LlamaConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: LlamaAttention, mlpBias: config.mlpBias }), options);
  }
}

export const llama = decoderFamily({ modelType: "llama", parse: parseLlamaConfig, create: LlamaForCausalLm });
