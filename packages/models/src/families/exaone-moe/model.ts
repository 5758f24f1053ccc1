import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed, without } from "../../checkpoint/weight-names.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { Exaone4Attention } from "../exaone4/model.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type ExaoneMoeConfig, parseExaoneMoeConfig } from "./config.ts";

export { type ExaoneMoeConfig, parseExaoneMoeConfig } from "./config.ts";

/**
 * Attention of K-EXAONE: `[T, C] -> [T, C]`, that of EXAONE 4: RMS norms per head, rounded before and after the weight, then
 * RoPE on the layers that slide. From transformers' `ExaoneMoeAttention`.
 */
export class ExaoneMoeAttention extends Exaone4Attention {}

/** K-EXAONE. */
export class ExaoneMoeForCausalLm extends DecoderForCausalLm {
  constructor(config: ExaoneMoeConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: ExaoneMoeAttention, mlp: sparseMlps(config) }), options);
  }
}

export const exaoneMoe = decoderFamily({
  modelType: "exaone_moe",
  parse: parseExaoneMoeConfig,
  create: ExaoneMoeForCausalLm,
  shapes: sparseShapes,
  adapt: (weights) =>
    stackedExperts(
      renamed(without(weights, /^mtp\./), [
        [/\.mlp\.e_score_correction_bias$/, ".mlp.gate.e_score_correction_bias"],
      ]),
    ),
});
