import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { Qwen3Attention } from "../qwen3/model.ts";
import { parseSdarConfig, type SdarConfig } from "./config.ts";

export { parseSdarConfig, type SdarConfig } from "./config.ts";

/**
 * Attention of SDAR: `[T, C] -> [T, C]`, that of Qwen3. Which tokens it sees is the pass's to say: all of its block. From
 * Cheng et al. (2025), "SDAR: A Synergistic Diffusion-AutoRegression Paradigm".
 */
export class SdarAttention extends Qwen3Attention {}

/** SDAR: Qwen3's mathematics under a mask of blocks. */
export class SdarForCausalLm extends DecoderForCausalLm {
  constructor(config: SdarConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: SdarAttention, blockLength: config.blockLength }), options);
  }
}

export const sdar = decoderFamily({ modelType: "sdar", parse: parseSdarConfig, create: SdarForCausalLm });
