import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigFields } from "./config-fields.ts";
import { type JsonObject, readJsonObject } from "./json-file.ts";

/** How the model's makers want it to be sampled. A number that is null was not written. */
export interface GenerationConfig {
  /** Generation stops at any of these; may be empty. */
  readonly eosTokenIds: readonly number[];
  /** False: take the most likely token, whatever the numbers below say. */
  readonly doSample: boolean;
  readonly temperature: number | null;
  readonly topK: number | null;
  readonly topP: number | null;
  readonly minP: number | null;
  readonly repetitionPenalty: number | null;
  readonly maxNewTokens: number | null;
}

/**
 * Reads `generation_config.json`, which a folder may lack; end-of-text ids that it does not give come from
 * `config.json`, passed as `config`.
 *
 * @throws ERR_CHECKPOINT for a file that is not JSON, or a field of a wrong type
 */
export function readGenerationConfig(dir: string, config: JsonObject = {}): GenerationConfig {
  const path = join(dir, "generation_config.json");
  const fields = new ConfigFields(existsSync(path) ? readJsonObject(path) : {}, "generation_config.json");
  const ends = fields.has("eos_token_id") ? fields : new ConfigFields(config, "config.json");
  const optional = (key: string, read: () => number) => (fields.has(key) ? read() : null);
  const number = (key: string) => optional(key, () => fields.number(key));
  return Object.freeze({
    eosTokenIds: ends.tokenIds("eos_token_id"),
    doSample: fields.boolean("do_sample", false),
    temperature: number("temperature"),
    topK: optional("top_k", () => fields.nonNegativeInteger("top_k")),
    topP: number("top_p"),
    minP: number("min_p"),
    repetitionPenalty: number("repetition_penalty"),
    maxNewTokens: optional("max_new_tokens", () => fields.positiveInteger("max_new_tokens")),
  });
}
