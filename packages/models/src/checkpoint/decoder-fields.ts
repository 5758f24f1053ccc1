import type { Activation, FloatDtype } from "@qknorm/tensor";
import { type BlockFp8, readQuantization } from "./block-fp8.ts";
import { readConfigDtype } from "./config-dtype.ts";
import type { ConfigFields } from "./config-fields.ts";
import { type DecoderSizes, readLayers } from "./outline.ts";
import { shown } from "./shown-value.ts";
import type { Warn } from "./warnings.ts";

/** What every decoder's config says. */
export interface DecoderFields extends DecoderSizes {
  /** Added under the root in every norm. */
  readonly eps: number;
  /** The longest context, in tokens, before RoPE scaling. */
  readonly trainedPositions: number;
  readonly tieWordEmbeddings: boolean;
  readonly activation: Activation;
  readonly dtype: FloatDtype | null;
  readonly quantization: BlockFp8 | null;
}

/** What a family's config class takes for keys that a file does not write; see its `keys.json`. */
export interface DecoderDefaults {
  readonly eps: number;
  readonly epsKey?: "rms_norm_eps" | "layer_norm_eps" | "norm_eps";
  readonly maxPositions: number;
  /** Where absent; null in a file, or no default, means as many as query heads. */
  readonly kvHeads?: number;
  /** A 0 in a file means as many as query heads. */
  readonly zeroKvHeads?: "all";
  /** Where absent; null in a file, or no default, means C / Hq. `unread`: the class has no such key. */
  readonly headDim?: number | "unread";
  readonly tied?: boolean;
  /** Where the family works it out itself. */
  readonly intermediateSize?: number;
  /** Null where the family reads the activation itself. */
  readonly activation?: string | null;
  readonly activationKey?: string;
}

/**
 * Reads the fields that all decoders have; sizes have to be written.
 *
 * @throws ERR_CHECKPOINT that names the field
 */
export function readDecoderFields(
  fields: ConfigFields,
  defaults: DecoderDefaults,
  warn: Warn,
): DecoderFields {
  const hiddenSize = fields.positiveInteger("hidden_size");
  const queryHeads = fields.positiveInteger("num_attention_heads");
  const { activation = "silu", activationKey = "hidden_act" } = defaults;
  return {
    vocabSize: fields.positiveInteger("vocab_size"),
    hiddenSize,
    intermediateSize: defaults.intermediateSize ?? fields.positiveInteger("intermediate_size"),
    layers: readLayers(fields),
    queryHeads,
    kvHeads: readKvHeads(fields, queryHeads, defaults),
    headDim: readHeadDim(fields, hiddenSize, queryHeads, defaults.headDim),
    eps: fields.positiveNumber(defaults.epsKey ?? "rms_norm_eps", defaults.eps),
    trainedPositions: fields.positiveInteger("max_position_embeddings", defaults.maxPositions),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", defaults.tied ?? false),
    activation: activation === null ? "silu" : readActivation(fields, activationKey, activation),
    dtype: readConfigDtype(fields, warn),
    quantization: readQuantization(fields),
  };
}

/** transformers' names of the activations that are done. */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  relu: "relu",
  relu2: "relu2",
  sigmoid: "sigmoid",
  tanh: "tanh",
};

/** @throws ERR_CHECKPOINT for an activation that is not done */
export function readActivation(fields: ConfigFields, key: string, fallback: string): Activation {
  const name = fields.string(key, fallback);
  if (Object.hasOwn(ACTIVATIONS, name)) return ACTIVATIONS[name] as Activation;
  return fields.fail(key, `must be one of ${Object.keys(ACTIVATIONS).join(", ")}, got ${shown(name)}`);
}

function readKvHeads(
  fields: ConfigFields,
  queryHeads: number,
  { kvHeads: fallback = queryHeads, zeroKvHeads }: DecoderDefaults,
): number {
  const key = "num_key_value_heads";
  const written = fields.value(key);
  const all = fields.raw[key] === null || (zeroKvHeads === "all" && written === 0);
  const kvHeads = all ? queryHeads : fields.positiveInteger(key, fallback);
  if (queryHeads % kvHeads === 0) return kvHeads;
  return fields.fail("num_attention_heads", `is ${queryHeads}, not a multiple of ${key} ${kvHeads}`);
}

function readHeadDim(
  fields: ConfigFields,
  hiddenSize: number,
  queryHeads: number,
  fallback: DecoderDefaults["headDim"],
): number {
  const divided = fields.raw.head_dim === null || typeof fields.raw.head_dim === "undefined";
  const derived =
    divided && typeof fallback === "number" && fields.raw.head_dim !== null
      ? fallback
      : hiddenSize / queryHeads;
  if (divided && !Number.isInteger(derived)) {
    fields.fail(
      "head_dim",
      `is absent or null, and hidden_size ${hiddenSize} is not a multiple of ${queryHeads} heads`,
    );
  }
  const headDim = fields.positiveInteger("head_dim", derived);
  if (fallback === "unread" && headDim !== hiddenSize / queryHeads) {
    fields.fail("head_dim", `is ${headDim}; this family has hidden_size / heads, ${hiddenSize / queryHeads}`);
  }
  return headDim;
}

/** The query heads of each layer: `num_attention_heads_per_layer`, or `num_attention_heads` for all. */
export function readHeadsPerLayer(
  fields: ConfigFields,
  { layers, queryHeads, kvHeads }: DecoderFields,
): readonly number[] {
  const key = "num_attention_heads_per_layer";
  if (!fields.has(key)) return new Array<number>(layers).fill(queryHeads);
  const heads = fields.numbers(key);
  const fits = (count: number) => Number.isSafeInteger(count) && count > 0 && count % kvHeads === 0;
  if (heads.length === layers && heads.every(fits)) return heads;
  return fields.fail(key, `must be a multiple of ${kvHeads} KV heads for each of ${layers} layers`);
}
