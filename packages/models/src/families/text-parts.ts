import { ConfigFields } from "../checkpoint/config-fields.ts";
import { isJsonObject, type JsonObject } from "../checkpoint/json-file.ts";
import { BASE_KEYS, type KnownKeys, settleUnreadKeys } from "../checkpoint/known-keys.ts";
import { shown } from "../checkpoint/shown-value.ts";
import type { Warn } from "../checkpoint/warnings.ts";
import { renamed, without } from "../checkpoint/weight-names.ts";
import type { Weights } from "../checkpoint/weights.ts";
import type { Blueprint, ModelFamily } from "./causal-lm.ts";

/** A model that takes pictures or sound beside text. */
interface Multimodal {
  /** The `model_type` of its text part where `text_config` does not say. */
  readonly text: string;
  /** `tie_word_embeddings` where the file does not say; it stands beside `text_config`, whose own is not read. */
  readonly tied: boolean;
}

/** By `model_type`; defaults as in the config classes of transformers 5.24. */
const MULTIMODAL: Readonly<Record<string, Multimodal>> = {
  gemma3: { text: "gemma3_text", tied: true },
  gemma4: { text: "gemma4_text", tied: true },
  internvl: { text: "qwen2", tied: true },
  lfm2_vl: { text: "lfm2", tied: true },
  llama4: { text: "llama4_text", tied: false },
  llava: { text: "llama", tied: false },
  mistral3: { text: "mistral", tied: true },
  qwen3_5: { text: "qwen3_5_text", tied: false },
  qwen3_5_moe: { text: "qwen3_5_moe_text", tied: false },
};

const KEYS: KnownKeys = {
  harmless: {
    "speaks of pictures and sound, which are not read": [
      "audio_config",
      "audio_token_id",
      "boa_token_id",
      "boi_token_id",
      "boi_token_index",
      "downsample_factor",
      "downsample_ratio",
      "eoa_token_id",
      "eoa_token_index",
      "eoi_token_id",
      "eoi_token_index",
      "image_seq_length",
      "image_token_id",
      "image_token_index",
      "mm_tokens_per_image",
      "multimodal_projector_bias",
      "projector_bias",
      "projector_hidden_act",
      "projector_hidden_size",
      "projector_use_layernorm",
      "spatial_merge_size",
      "video_token_id",
      "vision_config",
      "vision_end_token_id",
      "vision_feature_layer",
      "vision_feature_select_strategy",
      "vision_soft_tokens_per_image",
      "vision_start_token_id",
    ],
  },
  refused: {},
};

/** What checkpoints call the parts that see and hear. */
const OTHER_PARTS =
  /^(?:model\.)?(visual|vision_tower|vision_model|vision_embedder|multi_modal_projector|audio_tower|embed_vision|embed_audio)\./;

/**
 * The text part of a model that takes pictures or sound too, as a family of its own: `text_config` of its config, and its
 * weights, whether they lie below `language_model.model`, `model.language_model` or, with the head, `language_model`. It
 * computes what the whole model computes of text alone; a warning names the parts that are left out.
 *
 * @returns one for each such `model_type`
 */
export function textParts(familyOf: (modelType: string) => ModelFamily): readonly ModelFamily[] {
  return Object.entries(MULTIMODAL).map(([modelType, { text, tied }]) => ({
    modelType,
    refused: familyOf(text).refused,
    read(raw, warn): Blueprint {
      const config = textConfig(raw, { text, tied }, warn);
      const blueprint = familyOf(config.model_type).read(config, warn);
      return { ...blueprint, adapt: (weights) => blueprint.adapt(textWeights(weights, warn)) };
    },
  }));
}

/** `text_config` as a config of its own, with what stands beside it for all parts. */
function textConfig(
  raw: JsonObject,
  { text, tied }: Multimodal,
  warn: Warn,
): JsonObject & { readonly model_type: string } {
  const fields = new ConfigFields(raw, "config.json");
  fields.value("model_type");
  const inside = fields.value("text_config");
  if (!isJsonObject(inside)) return fields.fail("text_config", `must be an object, got ${shown(inside)}`);
  const saysDtype = ["dtype", "torch_dtype"].some((key) => (inside[key] ?? null) !== null);
  // Asked for in any case, so that it counts as read; the text's own goes first.
  const dtypes = ["dtype", "torch_dtype"].filter((key) => fields.has(key) && !saysDtype);
  const shared = [...dtypes, "quantization_config"].filter((key) => fields.has(key));
  const outside = shared.map((key) => [key, raw[key]]);
  const tie_word_embeddings = fields.boolean("tie_word_embeddings", tied);
  settleUnreadKeys(fields, [BASE_KEYS, KEYS], warn);
  const model_type = new ConfigFields(inside, "config.json", "text_config.").string("model_type", text);
  return { ...Object.fromEntries(outside), ...inside, model_type, tie_word_embeddings };
}

function textWeights(weights: Weights, warn: Warn): Weights {
  const left = new Set([...weights.keys()].flatMap((name) => OTHER_PARTS.exec(name)?.[1] ?? []));
  if (left.size > 0) warn(`only the text part is loaded; left out: ${[...left].sort().join(", ")}`);
  return renamed(without(weights, OTHER_PARTS), [
    [/^model\.language_model\.(?=lm_head\.)/, ""],
    [/^model\.language_model\.(?:model\.)?/, "model."],
    [/^language_model\.(?=lm_head\.|model\.)/, ""],
    [/^language_model\./, "model."],
  ]);
}
