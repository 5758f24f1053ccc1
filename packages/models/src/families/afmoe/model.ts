import { activate, mul, type Tensor } from "@qknorm/tensor";
import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed } from "../../checkpoint/weight-names.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { Linear } from "../../layers/linear.ts";
import { type NormSetting, rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type AfmoeConfig, parseAfmoeConfig } from "./config.ts";

export { type AfmoeConfig, parseAfmoeConfig } from "./config.ts";

const normOf = (width: number, eps: number): NormSetting => ({ ...rmsSetting(width, eps), rounding: "once" });

/**
 * Attention of AFMoE: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`, rounded
 * once, then, on layers that slide, through RoPE in halves. What is mixed is gated value by value by the sigmoid of a
 * projection of the input, before the output projection. From transformers' `AfmoeAttention`.
 */
export class AfmoeAttention extends Attention {
  readonly gateProj: Linear;

  constructor(config: AfmoeConfig, options: AttentionOptions) {
    assertMade(config, options, "kinds");
    const { hiddenSize, queryHeads, headDim, eps, attentionBias, kinds, window, rope } = config;
    const slides = kinds[options.layer ?? 0] === "sliding_attention";
    const norm = normOf(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        rope: slides ? rope : null,
        window: slides ? window : null,
      },
      options,
    );
    this.gateProj = new Linear(hiddenSize, queryHeads * headDim, { ...options, shared: "outputs" });
  }

  protected override gated(mixed: Tensor, input: () => Tensor): Tensor {
    return mul(mixed, activate(this.gateProj.forward(input()), "sigmoid"));
  }
}

/** AFMoE (Arcee's Trinity). */
export class AfmoeForCausalLm extends DecoderForCausalLm {
  constructor(config: AfmoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: AfmoeAttention,
        mlp: sparseMlps(config),
        arrangement: "sandwich",
        norm: normOf(config.hiddenSize, config.eps),
        layerNames: { mlpInputNorm: "pre_mlp_layernorm", mlpNorm: "post_mlp_layernorm" },
        ...(config.scalesEmbedding && {
          embeddingScale: Math.sqrt(config.hiddenSize),
          embeddingScaleRounding: "exact",
        }),
      }),
      options,
    );
  }
}

export const afmoe = decoderFamily({
  modelType: "afmoe",
  parse: parseAfmoeConfig,
  create: AfmoeForCausalLm,
  shapes: sparseShapes,
  adapt: (weights) =>
    stackedExperts(
      renamed(weights, [
        [/\.mlp\.router\.gate\.weight$/, ".mlp.gate.weight"],
        [/\.mlp\.expert_bias$/, ".mlp.gate.e_score_correction_bias"],
      ]),
    ),
});
