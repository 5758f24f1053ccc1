import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { assertText } from "../../layers/layer-arguments.ts";
import { rmsSetting } from "../../layers/norm.ts";
import { qkNormAcrossHeads } from "../across-heads.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type Olmo3Config, parseOlmo3Config } from "./config.ts";

export { type Olmo3Config, parseOlmo3Config } from "./config.ts";

/**
 * Attention of OLMo 3: `[T, C] -> [T, C]`. That of OLMo 2, norms across heads before RoPE, with a sliding window on some
 * layers and a RoPE of each kind of layer. From the OLMo 3 technical report (2025) and transformers' `Olmo3Attention`.
 */
export class Olmo3Attention extends Attention {
  constructor(config: Olmo3Config, options: AttentionOptions) {
    assertMade(config, options, "kinds", "ropes");
    const { attentionBias, kinds, ropes, window } = config;
    const kind = kinds[options.layer ?? 0] ?? "full_attention";
    assertText(kind, "the kind of a layer");
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: qkNormAcrossHeads(config, "once"),
        rope: ropes[kind],
        window: kind === "sliding_attention" ? window : null,
      },
      options,
    );
  }
}

/** OLMo 3. */
export class Olmo3ForCausalLm extends DecoderForCausalLm {
  constructor(config: Olmo3Config, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: Olmo3Attention,
        arrangement: "post",
        norm: { ...rmsSetting(config.hiddenSize, config.eps), rounding: "once" },
      }),
      options,
    );
  }
}

export const olmo3 = decoderFamily({ modelType: "olmo3", parse: parseOlmo3Config, create: Olmo3ForCausalLm });
