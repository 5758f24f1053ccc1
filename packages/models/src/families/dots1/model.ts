import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type Dots1Config, parseDots1Config } from "./config.ts";

export { type Dots1Config, parseDots1Config } from "./config.ts";

/**
 * Attention of dots.llm1: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * rounded before and after the weight, then through RoPE in halves; some layers may slide. From the dots.llm1 technical
 * report (2025) and transformers' `Dots1Attention`.
 */
export class Dots1Attention extends Attention {
  constructor(config: Dots1Config, options: AttentionOptions) {
    assertMade(config, options, "kinds");
    const { headDim, eps, attentionBias, kinds, window } = config;
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        window: kinds[options.layer ?? 0] === "sliding_attention" ? window : null,
      },
      options,
    );
  }
}

/** dots.llm1. */
export class Dots1ForCausalLm extends DecoderForCausalLm {
  constructor(config: Dots1Config, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: Dots1Attention, mlp: sparseMlps(config) }), options);
  }
}

export const dots1 = decoderFamily({
  modelType: "dots1",
  parse: parseDots1Config,
  create: Dots1ForCausalLm,
  shapes: sparseShapes,
  adapt: stackedExperts,
});
