import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import { qkNormAcrossHeads } from "../across-heads.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type Olmo2Config, parseOlmo2Config } from "./config.ts";

export { type Olmo2Config, parseOlmo2Config } from "./config.ts";

/**
 * Attention of OLMo 2: `[T, C] -> [T, C]`. q and k go through RMS norms across all heads of a token, weights `[Hq * D]` and
 * `[Hkv * D]`, rounded once, before RoPE in halves, which is in f32 and rounded once too. From OLMo et al. (2024), "2 OLMo 2
 * Furious", and transformers' `Olmo2Attention`.
 */
export class Olmo2Attention extends Attention {
  constructor(config: Olmo2Config, options: AttentionOptions) {
    assertMade(config, options);
    const { attentionBias } = config;
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: qkNormAcrossHeads(config, "once"),
      },
      options,
    );
  }
}

/** OLMo 2. */
export class Olmo2ForCausalLm extends DecoderForCausalLm {
  constructor(config: Olmo2Config, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: Olmo2Attention,
        arrangement: "post",
        norm: { ...rmsSetting(config.hiddenSize, config.eps), rounding: "once" },
      }),
      options,
    );
  }
}

export const olmo2 = decoderFamily({ modelType: "olmo2", parse: parseOlmo2Config, create: Olmo2ForCausalLm });
