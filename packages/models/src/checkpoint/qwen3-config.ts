import { ConfigFields } from "./config-fields.ts";
import type { JsonObject } from "./json-file.ts";
import { shown } from "./shown-value.ts";

const DTYPES = ["bfloat16", "float16", "float32"] as const;

export type WeightDtype = (typeof DTYPES)[number];

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
  readonly ropeTheta: number;
  /** The longest context, in tokens. */
  readonly maxPositions: number;
  /** The logits come from the embedding; a `lm_head.weight` in the checkpoint is then redundant. */
  readonly tieWordEmbeddings: boolean;
  /** q, k, v and o projections have a bias. */
  readonly attentionBias: boolean;
  /** What the file says the weights are; null where it does not. */
  readonly dtype: WeightDtype | null;
}

/**
 * Checks and names the fields of a Qwen3 `config.json`, of transformers 4 or 5.
 *
 * Absent fields take the defaults of transformers' `Qwen3Config` (head_dim 128, rms_norm_eps 1e-6, rope_theta 10000,
 * max_position_embeddings 32768, no bias, not tied); sizes have to be written.
 *
 * @throws ERR_CHECKPOINT that names the field: missing, of a wrong type, sizes that do not fit together, or a feature
 *   that is not supported (RoPE scaling, sliding window, quantised weights, an activation other than SiLU)
 */
export function parseQwen3Config(raw: JsonObject): Qwen3Config {
  const fields = new ConfigFields(raw, "config.json");
  refuseUnsupported(fields);
  const hiddenSize = fields.positiveInteger("hidden_size");
  const queryHeads = fields.positiveInteger("num_attention_heads");
  return Object.freeze({
    modelType: "qwen3",
    vocabSize: fields.positiveInteger("vocab_size"),
    hiddenSize,
    intermediateSize: fields.positiveInteger("intermediate_size"),
    layers: fields.positiveInteger("num_hidden_layers"),
    queryHeads,
    kvHeads: readKvHeads(fields, queryHeads),
    headDim: readHeadDim(fields, hiddenSize, queryHeads),
    eps: fields.positiveNumber("rms_norm_eps", 1e-6),
    ropeTheta: readRopeTheta(fields),
    maxPositions: fields.positiveInteger("max_position_embeddings", 32768),
    tieWordEmbeddings: fields.boolean("tie_word_embeddings", false),
    attentionBias: fields.boolean("attention_bias", false),
    dtype: readDtype(fields),
  });
}

function refuseUnsupported(fields: ConfigFields): void {
  const modelType = fields.string("model_type");
  if (modelType !== "qwen3") fields.fail("model_type", `must be "qwen3" here, got ${shown(modelType)}`);
  const activation = fields.string("hidden_act", "silu");
  if (activation !== "silu") fields.fail("hidden_act", `must be "silu", got ${shown(activation)}`);
  if (fields.boolean("use_sliding_window", false)) {
    fields.fail("use_sliding_window", "is true, but sliding-window attention is not supported");
  }
  const layerTypes = fields.raw.layer_types ?? [];
  if (!Array.isArray(layerTypes) || layerTypes.some((type) => type !== "full_attention")) {
    fields.fail("layer_types", `must all be "full_attention", got ${shown(layerTypes)}`);
  }
  if (fields.has("quantization_config")) {
    const method = fields.object("quantization_config")?.raw.quant_method;
    fields.fail("quantization_config", `asks for ${shown(method)}: quantised weights are not supported`);
  }
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

/** Top-level `rope_theta` (transformers 4) or `rope_parameters.rope_theta` (5); any scaling is refused. */
function readRopeTheta(fields: ConfigFields): number {
  const found: number[] = [];
  for (const key of ["rope_parameters", "rope_scaling"]) {
    const rope = fields.object(key);
    if (rope === null) continue;
    const type = rope.string("rope_type", rope.string("type", "default"));
    if (type !== "default")
      rope.fail("rope_type", `is ${shown(type)}; only RoPE without scaling is supported`);
    if (rope.number("partial_rotary_factor", 1) !== 1) rope.fail("partial_rotary_factor", "must be 1");
    if (rope.has("full_attention"))
      rope.fail("full_attention", "is set, but RoPE per layer type is not supported");
    if (rope.has("rope_theta")) found.push(rope.positiveNumber("rope_theta"));
  }
  if (fields.has("rope_theta")) found.push(fields.positiveNumber("rope_theta"));
  if (fields.number("partial_rotary_factor", 1) !== 1) fields.fail("partial_rotary_factor", "must be 1");
  if (new Set(found).size > 1)
    fields.fail("rope_theta", `is written twice, differently: ${found.join(" and ")}`);
  return found[0] ?? 10_000;
}

function readDtype(fields: ConfigFields): WeightDtype | null {
  const key = fields.has("dtype") ? "dtype" : "torch_dtype";
  if (!fields.has(key)) return null;
  const name = fields.string(key);
  const dtype = DTYPES.find((known) => known === name);
  return dtype ?? fields.fail(key, `must be one of ${DTYPES.join(", ")}, got ${shown(name)}`);
}
