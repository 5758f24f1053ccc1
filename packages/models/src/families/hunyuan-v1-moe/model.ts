import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed } from "../../checkpoint/weight-names.ts";
import { MoeMlp } from "../../layers/moe.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import type { LayerContext } from "../decoder-model.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { HunyuanV1DenseAttention } from "../hunyuan-v1-dense/model.ts";
import { assertMade } from "../made-config.ts";
import { sparseShapes } from "../sparse-decoder.ts";
import { type HunyuanV1MoeConfig, parseHunyuanV1MoeConfig } from "./config.ts";

export { type HunyuanV1MoeConfig, parseHunyuanV1MoeConfig } from "./config.ts";

/**
 * Attention of Hunyuan v1 MoE: `[T, C] -> [T, C]`, that of the dense models: RoPE in halves, then RMS norms per head, rounded
 * before and after the weight. From transformers' `HunYuanMoEV1Attention`.
 */
export class HunyuanV1MoeAttention extends HunyuanV1DenseAttention {}

/** Hunyuan v1 MoE: layers may differ in how many experts a token goes to. */
export class HunyuanV1MoeForCausalLm extends DecoderForCausalLm {
  constructor(config: HunyuanV1MoeConfig, options: ModelOptions) {
    assertMade(config, options, "moe", "topKs");
    const { moe, topKs } = config;
    const mlp = (context: LayerContext) => {
      const router = { ...moe.router, topK: topKs[context.layer] as number };
      return new MoeMlp({ ...moe, router }, context);
    };
    super(denseDecoder(config, { attention: HunyuanV1MoeAttention, mlp }), options);
  }
}

export const hunyuanV1Moe = decoderFamily({
  modelType: "hunyuan_v1_moe",
  parse: parseHunyuanV1MoeConfig,
  create: HunyuanV1MoeForCausalLm,
  shapes: sparseShapes,
  adapt: (weights) =>
    stackedExperts(
      renamed(weights, [
        [/\.mlp\.gate\.wg\.weight$/, ".mlp.gate.weight"],
        [/\.mlp\.shared_mlp\./, ".mlp.shared_experts."],
      ]),
    ),
});
