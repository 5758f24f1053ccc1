import { bailingWeights } from "../bailing-fields.ts";
import { BailingMoeAttention } from "../bailing-moe/model.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps } from "../sparse-decoder.ts";
import { type Llada2MoeConfig, parseLlada2MoeConfig } from "./config.ts";

export { type Llada2MoeConfig, parseLlada2MoeConfig } from "./config.ts";

/**
 * Attention of LLaDA2-MoE: `[T, C] -> [T, C]`, that of Ling 2. Which tokens it sees is the pass's to say: all of its block. From
 * the LLaDA 2.0 report (2025); not in transformers.
 */
export class Llada2MoeAttention extends BailingMoeAttention {}

/** LLaDA2-MoE: Ling 2's mathematics under a mask of blocks, of 32 tokens where the caller asks for no other length. */
export class Llada2MoeForCausalLm extends DecoderForCausalLm {
  constructor(config: Llada2MoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: Llada2MoeAttention,
        mlp: sparseMlps(config),
        layerNames: { mixer: "attention" },
        blockLength: 32,
      }),
      options,
    );
  }
}

export const llada2Moe = decoderFamily({
  modelType: "llada2_moe",
  parse: parseLlada2MoeConfig,
  create: Llada2MoeForCausalLm,
  ...bailingWeights,
});
