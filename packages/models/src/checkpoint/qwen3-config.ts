import type { FloatDtype } from "@qknorm/tensor";
import { type AttentionKind, readWindows } from "./attention-windows.ts";
import { type BlockFp8, readQuantization } from "./block-fp8.ts";
import { readConfigDtype } from "./config-dtype.ts";
import { ConfigFields } from "./config-fields.ts";
import type { JsonObject } from "./json-file.ts";
import { BASE_KEYS, settleUnreadKeys } from "./known-keys.ts";
import { readLayers } from "./outline.ts";
import { contextLength, type RopeParameters, readRopeParameters } from "./rope-parameters.ts";
import { shown } from "./shown-value.ts";
import type { Warn } from "./warnings.ts";

export interface Qwen3Config {
  readonly modelType: "qwen3";
  readonly vocabSize: number;
  /** C. */
  readonly hiddenSize: number;
  /** Rows of gate and up. */
  readonly intermediateSize: number;
  readonly layers: number;
  /** Hq, a multiple of Hkv. */
  readonly queryHeads: number;
  /** Hkv. */
  readonly kvHeads: number;
  /** D, even; not always C / Hq. */
  readonly headDim: number;
  readonly eps: number;
  readonly rope: RopeParameters;
  /** Of each layer: how many tokens a query sees, itself included; null where it sees all before it. */
  readonly windows: readonly (number | null)[];
  /** False: every token of a pass sees all of them, the later ones too (`is_causal: false`, for embeddings). */
  readonly causal: boolean;
  /** The longest context, in tokens: `max_position_embeddings`, or what RoPE scaling stretches it to. */
  readonly maxPositions: number;
  /** The logits come from the embedding, unless the checkpoint has a `lm_head.weight` that differs from it. */
  readonly tieWordEmbeddings: boolean;
  /** q, k, v and o projections have a bias. */
  readonly attentionBias: boolean;
  /** What the file says the weights are; null where it does not. */
  readonly dtype: FloatDtype | null;
  /** How the weights are quantised in the file; null where they are not. */
  readonly quantization: BlockFp8 | null;
}

/**
 * Checks and names the fields of a Qwen3 `config.json`, of transformers 4 or 5.
 *
 * Absent fields take the defaults of transformers' `Qwen3Config` (head_dim 128, rms_norm_eps 1e-6, rope_theta 10000,
 * max_position_embeddings 32768, no bias, not tied); sizes have to be written.
 *
 * Every key is read, known to be harmless, refused by name, or named to `warn`.
 *
 * @throws ERR_CHECKPOINT that names the field: missing, of a wrong type, sizes that do not fit together, or a feature
 *   that is not supported (quantised weights other than block-wise FP8, an activation other than SiLU)
 */
export function parseQwen3Config(raw: JsonObject, warn: Warn = () => {}): Qwen3Config {
  const fields = new ConfigFields(raw, "config.json");
  const modelType = fields.string("model_type");
  if (modelType !== "qwen3") fields.fail("model_type", `must be "qwen3" here, got ${shown(modelType)}`);
  fields.oneOf("hidden_act", ["silu", "swish"], "silu"); // two names of one function
  const hiddenSize = fields.positiveInteger("hidden_size");
  const queryHeads = fields.positiveInteger("num_attention_heads");
  const layers = readLayers(fields);
  const headDim = readHeadDim(fields, hiddenSize, queryHeads);
  const trainedPositions = fields.positiveInteger("max_position_embeddings", 32768);
  const rope = readRopeParameters(fields, { rotaryDim: headDim, maxPositions: trainedPositions });
  const maxPositions = contextLength(rope, trainedPositions);
  const windows = readWindows(fields, { layers, maxPositions, kindOf: qwen3Kind(fields) });
  const causal = fields.boolean("is_causal", true);
  if (!causal && windows.some((window) => window !== null))
    fields.fail("is_causal", "is false, which is not supported together with a sliding window");
  const config: Qwen3Config = Object.freeze({
    modelType: "qwen3",
    vocabSize: fields.positiveInteger("vocab_size"),
    hiddenSize,
    intermediateSize: fields.positiveInteger("intermediate_size"),
    layers,
    queryHeads,
    kvHeads: readKvHeads(fields, queryHeads),
    headDim,
    eps: fields.positiveNumber("rms_norm_eps", 1e-6),
    rope,
    windows,
    causal,
    maxPositions,
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
    attentionBias: fields.boolean("attention_bias", false),
    dtype: readConfigDtype(fields, warn),
    quantization: readQuantization(fields),
  });
  settleUnreadKeys(fields, [BASE_KEYS], warn);
  return config;
}

/** Where `layer_types` is absent: the layers from `max_window_layers` on have the window, if there is one. */
function qwen3Kind(fields: ConfigFields): (layer: number) => AttentionKind {
  const firstWindowed = fields.nonNegativeInteger("max_window_layers", 28);
  return (layer) => (layer >= firstWindowed ? "sliding_attention" : "full_attention");
}

function readKvHeads(fields: ConfigFields, queryHeads: number): number {
  // Null means "as many as query heads"; absent would mean 32 in transformers, which nobody intends: ask for it.
  const kvHeads =
    fields.raw.num_key_value_heads === null ? queryHeads : fields.positiveInteger("num_key_value_heads");
  if (queryHeads % kvHeads !== 0) {
    fields.fail("num_attention_heads", `is ${queryHeads}, not a multiple of num_key_value_heads ${kvHeads}`);
  }
  return kvHeads;
}

function readHeadDim(fields: ConfigFields, hiddenSize: number, queryHeads: number): number {
  const perHead = fields.raw.head_dim === null ? hiddenSize / queryHeads : 128;
  if (!Number.isInteger(perHead)) {
    fields.fail(
      "head_dim",
      `is null, and hidden_size ${hiddenSize} is not a multiple of ${queryHeads} heads`,
    );
  }
  const headDim = fields.positiveInteger("head_dim", perHead);
  if (headDim % 2 !== 0) fields.fail("head_dim", `is ${headDim}; RoPE rotates pairs, so it must be even`);
  return headDim;
}
