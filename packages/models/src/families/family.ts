import { QkNormError } from "@qknorm/core";
import { ConfigFields } from "../checkpoint/config-fields.ts";
import { type DecoderDefaults, type DecoderFields, readDecoderFields } from "../checkpoint/decoder-fields.ts";
import { isJsonObject, type JsonObject } from "../checkpoint/json-file.ts";
import { BASE_KEYS, type KnownKeys, settleUnreadKeys } from "../checkpoint/known-keys.ts";
import { decoderOutline, type LayerShapes } from "../checkpoint/outline.ts";
import {
  contextLength,
  type RopeSetting,
  readRopeParameters,
  readRotaryDim,
} from "../checkpoint/rope-parameters.ts";
import { shown } from "../checkpoint/shown-value.ts";
import type { Warn } from "../checkpoint/warnings.ts";
import type { Weights } from "../checkpoint/weights.ts";
import type { RopeSpec } from "../layers/rotary-embedding.ts";
import type { CausalLm, ModelFamily, ModelOptions } from "./causal-lm.ts";

/** A parser of one family's config.json, which settles every key. */
export interface ConfigParser<Config> {
  (raw: JsonObject, warn?: Warn): Config;
  /** What it refuses beside the keys that every parser does. */
  readonly refused: KnownKeys["refused"];
}

/**
 * A parser that reads with `read` and then refuses, knows or names each key that `read` did not ask for.
 *
 * @param known keys of this family beside those that any config may have
 */
export function configParser<Config extends object>(
  modelType: string,
  known: KnownKeys,
  read: (fields: ConfigFields, warn: Warn) => Config,
): ConfigParser<Config> {
  const parse = (raw: JsonObject, warn: Warn = () => {}): Config => {
    if (!isJsonObject(raw))
      throw new QkNormError("ERR_CHECKPOINT", `config.json must be an object, got ${shown(raw)}`);
    if (typeof warn !== "function")
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `warn must be a function, got ${shown(warn)}`);
    const fields = new ConfigFields(raw, "config.json");
    const written = fields.string("model_type");
    if (written !== modelType)
      fields.fail("model_type", `must be ${shown(modelType)} here, got ${shown(written)}`);
    const config = Object.freeze(read(fields, warn));
    settleUnreadKeys(fields, [BASE_KEYS, known], warn);
    return config;
  };
  return Object.assign(parse, { refused: known.refused });
}

/** How a family's RoPE is read, and how it turns. */
export type RopeReading = Omit<RopeSetting, "rotaryDim" | "maxPositions"> &
  Omit<RopeSpec, "parameters" | "rotaryDim" | "maxPositions"> & {
    /** The model's context, where another kind of layer says it. */
    readonly maxPositions?: number;
    /** Transformers cuts off the values that are rotated before it pairs them, so that an odd number cannot be. */
    readonly pairs?: "whole";
  };

/** RoPE of one kind of layer: its parameters, and how much of a head it rotates. */
export function readRope(
  fields: ConfigFields,
  { headDim, trainedPositions }: Pick<DecoderFields, "headDim" | "trainedPositions">,
  setting: RopeReading = {},
): RopeSpec {
  const { layout, rounding, direction, pairs, maxPositions, ...rest } = setting;
  const rotaryDim =
    rest.defaultShare === undefined
      ? headDim
      : readRotaryDim(fields, headDim, rest.defaultShare, rest.layerType);
  const rotated = 2 * Math.ceil(rotaryDim / 2);
  if (rotated > headDim) fields.fail("head_dim", `is ${headDim}; RoPE rotates pairs, so it must be even`);
  if (rotated !== rotaryDim && pairs === "whole")
    fields.fail(
      "partial_rotary_factor",
      `rotates ${rotaryDim} of ${headDim} values; it must be an even number`,
    );
  const parameters = readRopeParameters(fields, { ...rest, rotaryDim, maxPositions: trainedPositions });
  return Object.freeze({
    parameters,
    rotaryDim,
    maxPositions: maxPositions ?? contextLength(parameters, trainedPositions),
    ...(layout && { layout }),
    ...(rounding && { rounding }),
    ...(direction && { direction }),
  });
}

/** What every decoder's config says, where one RoPE serves all layers. */
export interface DenseFields extends DecoderFields {
  readonly rope: RopeSpec;
  /** The longest context, in tokens: `max_position_embeddings`, or what RoPE scaling stretches it to. */
  readonly maxPositions: number;
}

/** @throws ERR_CHECKPOINT that names the field */
export function readDenseFields(
  fields: ConfigFields,
  { rope: setting, ...defaults }: DecoderDefaults & { readonly rope?: RopeReading },
  warn: Warn,
): DenseFields {
  const common = readDecoderFields(fields, defaults, warn);
  const rope = readRope(fields, common, setting);
  return { ...common, rope, maxPositions: rope.maxPositions };
}

/** How a dense family is found and made. */
export interface FamilyParts<Config extends DecoderFields> {
  readonly modelType: string;
  readonly parse: ConfigParser<Config>;
  readonly create: new (config: Config, options: ModelOptions) => CausalLm;
  /** Parameters of a layer that tell its sizes, for all layers or for each; those of Llama by default. */
  readonly shapes?: (config: Config) => LayerShapes | ((layer: number) => LayerShapes);
  /** Parameters of the model beside `embed_tokens` and the layers that have sizes of their own: their names below `model`. */
  readonly others?: (config: Config) => LayerShapes | null;
  /** The checkpoint's tensors as the model has them, where the two differ; see `weight-names.ts`. */
  readonly adapt?: (weights: Weights, config: Config) => Weights;
  /** What the base model consists of beside `embed_tokens` and `layers`; `norm` by default. */
  readonly lastNorm?: string;
}

export function decoderFamily<Config extends DecoderFields>({
  modelType,
  parse,
  create: Model,
  shapes,
  others,
  adapt,
  lastNorm = "norm",
}: FamilyParts<Config>): ModelFamily {
  return {
    modelType,
    refused: parse.refused,
    read(raw, warn) {
      const config = parse(raw, warn);
      return {
        outline: decoderOutline(config, shapes?.(config), others?.(config) ?? {}),
        baseParts: ["embed_tokens", "layers", lastNorm, "rotary_emb"],
        tiesHead: config.tieWordEmbeddings,
        dtype: config.dtype,
        quantization: config.quantization,
        adapt: (weights) => adapt?.(weights, config) ?? weights,
        create: (options) => new Model(config, options),
      };
    },
  };
}
