import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { parseQwen3Config, type Qwen3Config } from "./config.ts";

export { parseQwen3Config, type Qwen3Config } from "./config.ts";

/**
 * Attention of Qwen3: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * before RoPE; `hf` rounds the normalised row, then its product with the weight. From the Qwen3 technical report (2025)
 * and transformers' `Qwen3Attention`.
 */
export class Qwen3Attention extends Attention {
  constructor(config: Qwen3Config, options: AttentionOptions) {
    assertMade(config, options, "windows");
    const { headDim, eps, attentionBias } = config;
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        mask: config.causal ? "causal" : "none",
        window: config.windows[options.layer ?? 0] ?? null,
      },
      options,
    );
  }
}

/** Qwen3 (dense). */
export class Qwen3ForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen3Config, options: ModelOptions) {
    assertMade(config, options, "windows");
    super(denseDecoder(config, { attention: Qwen3Attention }), options);
  }
}

export const qwen3 = decoderFamily({ modelType: "qwen3", parse: parseQwen3Config, create: Qwen3ForCausalLm });
