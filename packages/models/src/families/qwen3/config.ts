import { type AttentionKind, readWindows } from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Qwen3Config extends DenseFields {
  readonly modelType: string;
  /** Of each layer: how many tokens a query sees, itself included; null where it sees all before it. */
  readonly windows: readonly (number | null)[];
  /** False: every token of a pass sees all of them, the later ones too (`is_causal: false`, for embeddings). */
  readonly causal: boolean;
  /** q, k, v and o projections have a bias. */
  readonly attentionBias: boolean;
}

/** The fields of Qwen3, for the families that share them. */
export function readQwen3Fields(fields: ConfigFields, modelType: string, common: DenseFields): Qwen3Config {
  const windows = readQwenWindows(fields, common);
  const causal = fields.boolean("is_causal", true);
  if (!causal && windows.some((window) => window !== null))
    fields.fail("is_causal", "is false, which is not supported together with a sliding window");
  return {
    ...common,
    modelType,
    windows,
    causal,
    attentionBias: fields.boolean("attention_bias", false),
  };
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
 *   that is not supported (quantised weights other than block-wise FP8)
 */
export const parseQwen3Config = configParser("qwen3", { harmless: {}, refused: {} }, (fields, warn) => {
  // Absent would mean 32 KV heads in transformers, which nobody intends: ask for it.
  if (fields.raw.num_key_value_heads !== null) fields.positiveInteger("num_key_value_heads");
  const common = readDenseFields(fields, { eps: 1e-6, maxPositions: 32768, headDim: 128 }, warn);
  return readQwen3Fields(fields, "qwen3", common);
});

/** Of each layer; where `layer_types` is absent, those from `max_window_layers` on have the window, if there is one. */
export function readQwenWindows(
  fields: ConfigFields,
  { layers, maxPositions }: DenseFields,
): Qwen3Config["windows"] {
  const firstWindowed = fields.nonNegativeInteger("max_window_layers", 28);
  const kindOf = (layer: number): AttentionKind =>
    layer >= firstWindowed ? "sliding_attention" : "full_attention";
  return readWindows(fields, { layers, maxPositions, kindOf });
}
