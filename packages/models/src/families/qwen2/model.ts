import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { parseQwen2Config, type Qwen2Config } from "./config.ts";

export { parseQwen2Config, type Qwen2Config } from "./config.ts";

/**
 * Attention of Qwen2 and Qwen2.5: `[T, C] -> [T, C]`, q `[T, Hq, D]`, k and v `[T, Hkv, D]`, each with a bias; RoPE in
 * halves, no QK norm. From the Qwen2 technical report (2024) and transformers' `Qwen2Attention`.
 */
export class Qwen2Attention extends Attention {
  constructor(config: Qwen2Config, options: AttentionOptions) {
    assertMade(config, options, "windows");
    const { layer = 0 } = options;
    super(
      {
        ...config,
        bias: { qkv: true, out: false },
        qkNorm: null,
        window: config.windows[layer] ?? null,
      },
      options,
    );
  }
}

/** Qwen2 and Qwen2.5. */
export class Qwen2ForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen2Config, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: Qwen2Attention }), options);
  }
}

export const qwen2 = decoderFamily({ modelType: "qwen2", parse: parseQwen2Config, create: Qwen2ForCausalLm });
