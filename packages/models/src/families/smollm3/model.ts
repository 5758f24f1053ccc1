import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { parseSmolLm3Config, type SmolLm3Config } from "./config.ts";

export { parseSmolLm3Config, type SmolLm3Config } from "./config.ts";

/**
 * Attention of SmolLM3: `[T, C] -> [T, C]`, q `[T, Hq, D]`, k and v `[T, Hkv, D]`, RoPE in halves on most layers and no
 * positions on the others (NoPE), no QK norm. From transformers' `SmolLM3Attention`.
 */
export class SmolLm3Attention extends Attention {
  constructor(config: SmolLm3Config, options: AttentionOptions) {
    assertMade(config, options, "rotated", "windows");
    const { layer = 0 } = options;
    const { rope, rotated, windows, attentionBias } = config;
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: null,
        rope: rotated[layer] === true ? rope : null,
        window: windows[layer],
      },
      options,
    );
  }
}

/** SmolLM3. */
export class SmolLm3ForCausalLm extends DecoderForCausalLm {
  constructor(config: SmolLm3Config, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: SmolLm3Attention, mlpBias: config.mlpBias }), options);
  }
}

export const smollm3 = decoderFamily({
  modelType: "smollm3",
  parse: parseSmolLm3Config,
  create: SmolLm3ForCausalLm,
});
