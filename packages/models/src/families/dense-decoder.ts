import type { DecoderFields } from "../checkpoint/decoder-fields.ts";
import type { Attention, AttentionOptions } from "../layers/attention.ts";
import { type Arrangement, DecoderLayer } from "../layers/decoder-layer.ts";
import { GatedMlp, type Mlp } from "../layers/mlp.ts";
import { type NormSetting, rmsSetting } from "../layers/norm.ts";
import type { DecoderSpec, LayerContext } from "./decoder-model.ts";

/** What a dense family adds to the usual decoder: pre-norms of RMS kind and a gated MLP. */
export interface DenseParts<Config> extends Partial<Omit<DecoderSpec, "layer" | "names">> {
  readonly attention: new (config: Config, options: AttentionOptions) => Attention;
  /** Null for a layer with the usual one. */
  mlp?(context: LayerContext): Mlp | null;
  readonly mlpBias?: boolean;
  readonly arrangement?: Arrangement;
  /** Of every norm over C. */
  readonly norm?: NormSetting;
  /** What the checkpoint calls parts of a layer, and of the model. */
  readonly layerNames?: Readonly<Record<string, string>>;
  readonly names?: Readonly<Record<string, string>>;
}

/** The spec of a decoder all of whose layers are alike but for their attention. */
export function denseDecoder<Config extends DecoderFields & Pick<DecoderSpec, "maxPositions">>(
  config: Config,
  parts: DenseParts<Config>,
): DecoderSpec {
  const {
    attention: FamilyAttention,
    mlp,
    mlpBias = false,
    arrangement = "pre",
    layerNames,
    ...rest
  } = parts;
  const norm = parts.norm ?? rmsSetting(config.hiddenSize, config.eps);
  return {
    vocabSize: config.vocabSize,
    hiddenSize: config.hiddenSize,
    layers: config.layers,
    maxPositions: config.maxPositions,
    tieWordEmbeddings: config.tieWordEmbeddings,
    ...rest,
    norm,
    layer: (context) =>
      new DecoderLayer(
        {
          mixer: new FamilyAttention(config, context),
          mlp: mlp?.(context) ?? new GatedMlp({ ...config, bias: mlpBias }, context),
          arrangement,
          norm,
          ...(layerNames && { names: layerNames }),
        },
        context,
      ),
  };
}
