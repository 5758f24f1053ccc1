import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { assertNumber, assertSizes, assertText } from "../../layers/layer-arguments.ts";
import { onePlusSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type Gemma3Config, parseGemma3Config } from "./config.ts";

export { type Gemma3Config, parseGemma3Config } from "./config.ts";

/**
 * Attention of Gemma 3: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head whose weights `[D]`
 * are stored less 1, rounded once, then through RoPE in halves; most layers slide, with a theta of their own. From the
 * Gemma 3 technical report (2025) and transformers' `Gemma3Attention`.
 */
export class Gemma3Attention extends Attention {
  constructor(config: Gemma3Config, options: AttentionOptions) {
    assertMade(config, options, "kinds", "ropes");
    const { headDim, eps, attentionBias, kinds, ropes, window, queryPreAttnScalar } = config;
    const kind = kinds[options.layer ?? 0] ?? "full_attention";
    assertText(kind, "the kind of a layer");
    assertNumber(queryPreAttnScalar, "queryPreAttnScalar of the config");
    const norm = onePlusSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        rope: ropes[kind],
        window: kind === "sliding_attention" ? window : null,
        scale: queryPreAttnScalar ** -0.5,
      },
      options,
    );
  }
}

/** Gemma 3, its text part. */
export class Gemma3ForCausalLm extends DecoderForCausalLm {
  constructor(config: Gemma3Config, options: ModelOptions) {
    assertMade(config, options);
    assertSizes({ hiddenSize: config.hiddenSize }, 1);
    super(
      denseDecoder(config, {
        attention: Gemma3Attention,
        arrangement: "sandwich",
        norm: onePlusSetting(config.hiddenSize, config.eps),
        embeddingScale: Math.sqrt(config.hiddenSize),
        logitSoftCap: config.logitSoftCap,
      }),
      options,
    );
  }
}

export const gemma3 = decoderFamily({
  modelType: "gemma3_text",
  parse: parseGemma3Config,
  create: Gemma3ForCausalLm,
});
