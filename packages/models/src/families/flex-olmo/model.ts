import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { Olmo2Attention } from "../olmo2/model.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type FlexOlmoConfig, parseFlexOlmoConfig } from "./config.ts";

export { type FlexOlmoConfig, parseFlexOlmoConfig } from "./config.ts";

/** Attention of FlexOlmo: OLMo 2's, unchanged. From Shi et al. (2025) and transformers' `FlexOlmoAttention`. */
export class FlexOlmoAttention extends Olmo2Attention {}

/** FlexOlmo: norms where OLMo 2 has them, and experts as OLMoE's. */
export class FlexOlmoForCausalLm extends DecoderForCausalLm {
  constructor(config: FlexOlmoConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: FlexOlmoAttention,
        arrangement: "post",
        mlp: sparseMlps(config),
        norm: { ...rmsSetting(config.hiddenSize, config.eps), rounding: "once" },
      }),
      options,
    );
  }
}

export const flexOlmo = decoderFamily({
  modelType: "flex_olmo",
  parse: parseFlexOlmoConfig,
  create: FlexOlmoForCausalLm,
  shapes: sparseShapes,
  adapt: stackedExperts,
});
