import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed, withoutLayers } from "../../checkpoint/weight-names.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type HyV3Config, parseHyV3Config } from "./config.ts";

export { type HyV3Config, parseHyV3Config } from "./config.ts";

/**
 * Attention of HY v3: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`, rounded
 * before and after the weight, then through RoPE in halves. From transformers' `HYV3Attention`.
 */
export class HyV3Attention extends Attention {
  constructor(config: HyV3Config, options: AttentionOptions) {
    assertMade(config, options);
    const { headDim, eps, attentionBias } = config;
    const norm = rmsSetting(headDim, eps);
    const bias = { qkv: attentionBias, out: attentionBias };
    super({ ...config, bias, qkNorm: { q: norm, k: norm, order: "norm-rope" } }, options);
  }
}

/** HY v3. */
export class HyV3ForCausalLm extends DecoderForCausalLm {
  constructor(config: HyV3Config, options: ModelOptions) {
    assertMade(config, options);
    const { mlpBias } = config;
    super(denseDecoder(config, { attention: HyV3Attention, mlp: sparseMlps(config), mlpBias }), options);
  }
}

export const hyV3 = decoderFamily({
  modelType: "hy_v3",
  parse: parseHyV3Config,
  create: HyV3ForCausalLm,
  shapes: sparseShapes,
  adapt: (weights, { layers }) =>
    stackedExperts(
      renamed(withoutLayers(weights, layers, 1), [
        [/\.mlp\.router\.gate\.weight$/, ".mlp.gate.weight"],
        [/\.mlp\.(?:expert_bias|e_score_correction_bias)$/, ".mlp.gate.e_score_correction_bias"],
        [/\.mlp\.shared_mlp\./, ".mlp.shared_experts."],
      ]),
    ),
});
