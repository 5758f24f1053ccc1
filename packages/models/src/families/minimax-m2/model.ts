import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed } from "../../checkpoint/weight-names.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { qkNormAcrossHeads } from "../across-heads.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type MiniMaxM2Config, parseMiniMaxM2Config } from "./config.ts";

export { type MiniMaxM2Config, parseMiniMaxM2Config } from "./config.ts";

/**
 * Attention of MiniMax-M2: `[T, C] -> [T, C]`. q and k go through RMS norms across all heads of a token, weights `[Hq * D]` and
 * `[Hkv * D]`, rounded before and after the weight, then the first half of each head through RoPE in halves. From
 * transformers' `MiniMaxM2Attention`.
 */
export class MiniMaxM2Attention extends Attention {
  constructor(config: MiniMaxM2Config, options: AttentionOptions) {
    assertMade(config, options);
    super({ ...config, qkNorm: qkNormAcrossHeads(config, "hf") }, options);
  }
}

/** MiniMax-M2. */
export class MiniMaxM2ForCausalLm extends DecoderForCausalLm {
  constructor(config: MiniMaxM2Config, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: MiniMaxM2Attention, mlp: sparseMlps(config) }), options);
  }
}

export const miniMaxM2 = decoderFamily({
  modelType: "minimax_m2",
  parse: parseMiniMaxM2Config,
  create: MiniMaxM2ForCausalLm,
  shapes: sparseShapes,
  adapt: (weights) =>
    stackedExperts(
      renamed(renamed(weights, [[/\.block_sparse_moe\./, ".mlp."]]), [
        [/\.mlp\.e_score_correction_bias$/, ".mlp.gate.e_score_correction_bias"],
        [/(\.experts\.\d+)\.w1\./, "$1.gate_proj."],
        [/(\.experts\.\d+)\.w3\./, "$1.up_proj."],
        [/(\.experts\.\d+)\.w2\./, "$1.down_proj."],
      ]),
    ),
});
