import { roundTo } from "@qknorm/core";
import { add, type Indices, scale, type Tensor } from "@qknorm/tensor";
import { without } from "../../checkpoint/weight-names.ts";
import { Embedding } from "../../layers/embedding.ts";
import { Linear } from "../../layers/linear.ts";
import { Norm } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { DecoderModel, type DecoderSpec } from "../decoder-model.ts";
import { decoderFamily } from "../family.ts";
import { gemma4Norm } from "./attention.ts";
import { type Gemma4Config, type Gemma4LayerConfig, parseGemma4Config } from "./config.ts";
import { Gemma4Layer } from "./layer.ts";

export { Gemma4Attention } from "./attention.ts";
export { type Gemma4Config, type Gemma4LayerConfig, parseGemma4Config } from "./config.ts";

/** Gemma 4's decoder: each layer has an input of its own for each token, from its id and its embedding. */
class Gemma4Model extends DecoderModel {
  readonly embedTokensPerLayer: Embedding | null;
  readonly perLayerModelProjection: Linear | null;
  readonly perLayerProjectionNorm: Norm | null;
  readonly #config: Gemma4Config;
  readonly #dtype: ModelOptions["dtype"];

  constructor(config: Gemma4Config, spec: DecoderSpec, options: ModelOptions) {
    super(spec, options);
    const { layers, hiddenSize, layerInputs, eps } = config;
    const { width, vocabSize } = layerInputs ?? { width: 0, vocabSize: 0 };
    const has = layerInputs !== null;
    this.embedTokensPerLayer = has ? new Embedding(vocabSize, layers * width, options) : null;
    this.perLayerModelProjection = has ? new Linear(hiddenSize, layers * width, options) : null;
    this.perLayerProjectionNorm = has ? new Norm(gemma4Norm(width, eps), options) : null;
    this.#config = config;
    this.#dtype = options.dtype;
  }

  /** `[T, P]` for each layer. */
  protected override layerInputs(ids: Indices, embedded: Tensor): readonly Tensor[] | null {
    const { layers, hiddenSize, layerInputs } = this.#config;
    const [embed, project, norm] = [
      this.embedTokensPerLayer,
      this.perLayerModelProjection,
      this.perLayerProjectionNorm,
    ];
    if (layerInputs === null || embed === null || project === null || norm === null) return null;
    const { width } = layerInputs;
    const ofToken = scale(embed.forward(ids), roundTo(this.#dtype, Math.sqrt(width))); // [T, N * P]
    const projected = scale(project.forward(embedded), hiddenSize ** -0.5);
    const ofContext = norm
      .forward(projected.view([ids.length, layers, width]))
      .view([ids.length, layers * width]);
    return scale(add(ofContext, ofToken), Math.SQRT1_2).split(-1, new Array<number>(layers).fill(width));
  }
}

/** Gemma 4, its text part. */
export class Gemma4ForCausalLm extends DecoderForCausalLm {
  constructor(config: Gemma4Config, options: ModelOptions) {
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
  // What layers had before they came to share keys and values is still in some files; transformers drops it too.
  adapt: (weights, { perLayer }) =>
    perLayer.reduce(
      (kept, { keysOf }, layer) =>
        keysOf === null
          ? kept
          : without(kept, new RegExp(`^model\\.layers\\.${layer}\\.self_attn\\.(k|v)_(proj|norm)\\.`)),
      weights,
    ),
  shapes:
    ({ perLayer, queryHeads, intermediateSize, hiddenSize, experts, doubleWide }) =>
    (layer) => {
      const { headDim, keysOf } = perLayer[layer] as Gemma4LayerConfig;
      const wide = doubleWide && keysOf !== null ? 2 : 1;
      return {
        "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
        "mlp.gate_proj.weight": [wide * intermediateSize, hiddenSize],
        ...(experts && { "experts.gate_up_proj": [experts.count, 2 * experts.intermediateSize, hiddenSize] }),
      };
    },
  others: ({ layers, layerInputs }) =>
    layerInputs && { "embed_tokens_per_layer.weight": [layerInputs.vocabSize, layers * layerInputs.width] },
});
