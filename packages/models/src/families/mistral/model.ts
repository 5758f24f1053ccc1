import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type MistralConfig, parseMistralConfig } from "./config.ts";

export { type MistralConfig, parseMistralConfig } from "./config.ts";

/**
 * Attention of Mistral: `[T, C] -> [T, C]`, q `[T, Hq, D]`, k and v `[T, Hkv, D]`, RoPE in halves, a sliding window, no QK
 * norm. From Jiang et al. (2023) and transformers' `MistralAttention`.
 */
export class MistralAttention extends Attention {
  constructor(config: MistralConfig, options: AttentionOptions) {
    assertMade(config, options);
    super({ ...config, qkNorm: null }, options);
  }
}

/** Mistral 7B and what shares its config. */
export class MistralForCausalLm extends DecoderForCausalLm {
  constructor(config: MistralConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: MistralAttention }), options);
  }
}

export const mistral = decoderFamily({
  modelType: "mistral",
  parse: parseMistralConfig,
  create: MistralForCausalLm,
});
