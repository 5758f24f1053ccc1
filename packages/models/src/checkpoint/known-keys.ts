import type { ConfigFields } from "./config-fields.ts";
import { isJsonObject } from "./json-file.ts";
import { shown, shownList } from "./shown-value.ts";
import type { Warn } from "./warnings.ts";

/** What the keys of a configuration mean that no parser reads. */
export interface KnownKeys {
  /** Keys that change no logits here, by the reason. */
  readonly harmless: Readonly<Record<string, readonly string[]>>;
  /** Keys that would change the logits: what they ask for, and the value at which they ask for nothing. */
  readonly refused: Readonly<Record<string, { readonly asks: string; readonly off?: unknown }>>;
}

/** Keys that any Hugging Face `config.json` may have: `PreTrainedConfig` of transformers 4 and 5. */
export const BASE_KEYS: KnownKeys = {
  harmless: {
    "says where the file came from": [
      "_name_or_path",
      "name_or_path",
      "_commit_hash",
      "transformers_version",
      "model_name",
      "unsloth_fixed",
      "unsloth_version",
    ],
    "names a class; the one of model_type is used, and code in a folder is never run": [
      "architectures",
      "auto_map",
      "custom_pipelines",
      "tokenizer_class",
    ],
    "matters in training alone": [
      "attention_dropout",
      "embd_pdrop",
      "gradient_checkpointing",
      "hidden_dropout",
      "initializer_range",
      "resid_pdrop",
      "classifier_dropout",
      "pretraining_tp",
    ],
    "names labels of a head that is not this one": [
      "finetuning_task",
      "id2label",
      "label2id",
      "num_labels",
      "problem_type",
      "task_specific_params",
    ],
    "says what a call returns": [
      "output_attentions",
      "output_hidden_states",
      "output_router_logits",
      "return_dict",
      "tie_last_hidden_states",
      "torchscript",
      "use_return_dict",
    ],
    "picks one of several ways to the same result": [
      "_attn_implementation",
      "_attn_implementation_autoset",
      "_attn_implementation_internal",
      "_experts_implementation",
      "_experts_implementation_internal",
      "attn_implementation",
      "chunk_size_feed_forward",
      "distributed_config",
      "experts_implementation",
      "use_bfloat16",
      "use_cache",
    ],
    "is a token id that no forward pass looks at": [
      "bos_token_id",
      "decoder_start_token_id",
      "eos_token_id",
      "pad_token_id",
      "prefix",
      "sep_token_id",
    ],
    "is read by the generation, or named there": [
      "bad_words_ids",
      "begin_suppress_tokens",
      "diversity_penalty",
      "do_sample",
      "early_stopping",
      "encoder_no_repeat_ngram_size",
      "encoder_repetition_penalty",
      "epsilon_cutoff",
      "eta_cutoff",
      "exponential_decay_length_penalty",
      "forced_bos_token_id",
      "forced_eos_token_id",
      "length_penalty",
      "max_length",
      "max_new_tokens",
      "min_length",
      "min_new_tokens",
      "min_p",
      "no_repeat_ngram_size",
      "num_beam_groups",
      "num_beams",
      "num_return_sequences",
      "output_scores",
      "remove_invalid_values",
      "repetition_penalty",
      "return_dict_in_generate",
      "suppress_tokens",
      "temperature",
      "top_k",
      "top_p",
      "typical_p",
      "assistant_confidence_threshold",
      "assistant_lookbehind",
      "num_assistant_tokens",
      "num_assistant_tokens_schedule",
      "target_lookbehind",
    ],
  },
  refused: {
    is_causal: { asks: "attention to later tokens", off: true },
    is_encoder_decoder: { asks: "an encoder", off: false },
    is_decoder: { asks: "attention to later tokens", off: true },
    add_cross_attention: { asks: "attention to an encoder", off: false },
    cross_attention_hidden_size: { asks: "attention to an encoder" },
    per_layer_config: { asks: "layers that differ in their sizes" },
    pruned_heads: { asks: "heads to be taken out" },
    tie_encoder_decoder: { asks: "an encoder", off: false },
    kv_sharing_modes: { asks: "layers that share keys and values" },
    transformers_weights: { asks: "weights in a file of another name" },
    fusion_config: { asks: "parts of the model to be replaced" },
    compression_config: { asks: "compressed weights" },
  },
};

/**
 * Refuses by name what would change the logits, and names in one warning what nobody knows; call it when everything
 * that is understood has been read. transformers ignores such keys, and so does this.
 *
 * @throws ERR_CHECKPOINT for a refused key that asks for something
 */
export function settleUnreadKeys(fields: ConfigFields, tables: readonly KnownKeys[], warn: Warn): void {
  const harmless = new Set(tables.flatMap((table) => Object.values(table.harmless).flat()));
  const unread = fields.unread();
  for (const { refused } of tables) {
    for (const [key, { asks, off }] of Object.entries(refused)) {
      if (!unread.includes(key) || fields.raw[key] === off || isEmpty(fields.raw[key])) continue;
      fields.fail(key, `is ${shown(fields.raw[key])}, which asks for ${asks}; that is not supported`);
    }
  }
  const refusable = new Set(tables.flatMap((table) => Object.keys(table.refused)));
  const unknown = unread.filter((key) => !harmless.has(key) && !refusable.has(key));
  if (unknown.length === 0) return;
  const [it, does] =
    unknown.length === 1 ? ["it", "a key that nothing reads"] : ["them", "keys that nothing reads"];
  warn(`${fields.source}: has ${does}, as transformers ignores ${it} too: ${shownList(unknown)}`);
}

function isEmpty(value: unknown): boolean {
  return (
    (Array.isArray(value) && value.length === 0) || (isJsonObject(value) && Object.keys(value).length === 0)
  );
}
