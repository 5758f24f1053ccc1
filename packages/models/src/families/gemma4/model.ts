import type { Indices, Tensor } from "@qknorm/tensor";
import { type LayerHeads, withoutSharedKeys } from "../../checkpoint/layer-heads.ts";
import { assertSizes } from "../../layers/layer-arguments.ts";
import { TokenInputs } from "../../layers/token-inputs.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { DecoderModel, type DecoderSpec } from "../decoder-model.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { gemma4Norm } from "./attention.ts";
import { type Gemma4Config, parseGemma4Config } from "./config.ts";
import { Gemma4Layer } from "./layer.ts";

export { Gemma4Attention } from "./attention.ts";
export { type Gemma4Config, parseGemma4Config } from "./config.ts";

/** Gemma 4's decoder: each layer has an input of its own for each token, from its id and its embedding. */
class Gemma4Model extends DecoderModel {
  readonly tokenInputs: TokenInputs | null;

  constructor(config: Gemma4Config, spec: DecoderSpec, options: ModelOptions) {
    assertMade(config, options);
    super(spec, options);
    const { layerInputs, eps } = config;
    this.tokenInputs =
      layerInputs &&
      new TokenInputs({ ...config, ...layerInputs, norm: gemma4Norm(layerInputs.width, eps) }, options);
  }

  protected override layerInputs(ids: Indices, embedded: Tensor): readonly Tensor[] | null {
    return this.tokenInputs?.forward(ids, embedded) ?? null;
  }

  protected override checkpointName(field: string): string {
    return field === "tokenInputs" ? "" : super.checkpointName(field);
  }
}

/** Gemma 4, its text part. */
export class Gemma4ForCausalLm extends DecoderForCausalLm {
  constructor(config: Gemma4Config, options: ModelOptions) {
    assertMade(config, options);
    assertSizes({ hiddenSize: config.hiddenSize }, 1);
    const { hiddenSize } = config;
    const spec: DecoderSpec = {
      ...config,
      norm: gemma4Norm(hiddenSize, config.eps),
      layer: (context) => new Gemma4Layer(config, context),
      embeddingScale: Math.sqrt(hiddenSize),
    };
    super(spec, options, new Gemma4Model(config, spec, options));
  }
}

export const gemma4 = decoderFamily({
  modelType: "gemma4_text",
  parse: parseGemma4Config,
  create: Gemma4ForCausalLm,
  adapt: (weights, { perLayer }) => withoutSharedKeys(weights, perLayer),
  shapes:
    ({ perLayer, queryHeads, intermediateSize, hiddenSize, experts, doubleWide }) =>
    (layer) => {
      const { headDim, keysOf } = perLayer[layer] as LayerHeads;
      const wide = doubleWide && keysOf !== null ? 2 : 1;
      return {
        "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
        "mlp.gate_proj.weight": [wide * intermediateSize, hiddenSize],
        ...(experts && {
          "experts.gate_up_proj": [experts.experts, 2 * experts.intermediateSize, hiddenSize],
        }),
      };
    },
  others: ({ layers, layerInputs }) =>
    layerInputs && { "embed_tokens_per_layer.weight": [layerInputs.vocabSize, layers * layerInputs.width] },
});
