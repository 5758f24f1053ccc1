import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type Exaone4Config, parseExaone4Config } from "./config.ts";

export { type Exaone4Config, parseExaone4Config } from "./config.ts";

/**
 * Attention of EXAONE 4: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * rounded before and after the weight, then through RoPE in halves; layers that see all tokens have no positions where
 * others slide. From the EXAONE 4.0 technical report (2025) and transformers' `Exaone4Attention`.
 */
export class Exaone4Attention extends Attention {
  constructor(config: Exaone4Config, options: AttentionOptions) {
    assertMade(config, options, "kinds");
    const { kinds, window, rope, headDim, eps } = config;
    const slides = kinds[options.layer ?? 0] === "sliding_attention";
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...config,
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        rope: window === null || slides ? rope : null,
        window: slides ? window : null,
      },
      options,
    );
  }
}

/** EXAONE 4. */
export class Exaone4ForCausalLm extends DecoderForCausalLm {
  constructor(config: Exaone4Config, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: Exaone4Attention, arrangement: "post" }), options);
  }
}

export const exaone4 = decoderFamily({
  modelType: "exaone4",
  parse: parseExaone4Config,
  create: Exaone4ForCausalLm,
});
