import { existsSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import type { SamplingOptions } from "../generation/sampling-options.ts";
import type { SequenceBias, TokenRules } from "../generation/token-rules.ts";
import { ConfigFields } from "./config-fields.ts";
import { GENERATION_DEFAULTS, HARMLESS_GENERATION_KEYS } from "./generation-keys.ts";
import { isJsonObject, type JsonObject, readJsonObject } from "./json-file.ts";
import { pathIn } from "./model-folder.ts";
import { assertOptions } from "./options-argument.ts";
import { shown, shownList } from "./shown-value.ts";

const FILE = "generation_config.json";

/** How many of the most likely tokens transformers draws from where nobody says. */
const USUAL_TOP_K = 50;

/** Options of which the file may have each, by its key there. */
const CUTS = {
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
  typicalP: "typical_p",
  epsilonCutoff: "epsilon_cutoff",
  etaCutoff: "eta_cutoff",
} as const satisfies Partial<Record<keyof SamplingOptions, string>>;

/**
 * How the model's makers want it to be sampled. A field is judged when it is asked for, so that a wrong one does no harm
 * where an option goes before it, or where nothing is drawn.
 */
export class GenerationConfig {
  /** Generation stops at any of these; may be empty. */
  readonly eosTokenIds: readonly number[];
  /** One sentence that names the keys which are not done here; empty where all are. */
  readonly warnings: readonly string[];
  readonly #fields: ConfigFields;

  /** @param fields of the file, or of an old `config.json` @param eosTokenIds see `readGenerationConfig` */
  constructor(fields: ConfigFields, eosTokenIds: readonly number[]) {
    this.#fields = fields;
    this.eosTokenIds = eosTokenIds;
    this.warnings = unsupported(fields);
  }

  /** False: the most likely token is taken, whatever the numbers say. */
  get doSample(): boolean {
    return this.#fields.boolean("do_sample", false);
  }

  /**
   * The options of a sampler: those given, and the file's where none is. What is drawn from is cut to the 50 most likely
   * tokens where nobody says, as in transformers; nothing is drawn, and no cut read, unless the file says `do_sample` or
   * an option asks for it.
   *
   * @param maxLength how many tokens the text may have, prompt included, where the caller knows; the last is the one that
   *   `forced_eos_token_id` forces
   * @throws ERR_CHECKPOINT for a field of the file that is needed and wrong, ERR_GENERATION for options that are no object
   */
  sampling(given: SamplingOptions = {}, maxLength: number | null = this.#maxLength()): SamplingOptions {
    assertOptions(given);
    if (given.temperature !== undefined && typeof given.temperature !== "number")
      throw new QkNormError(
        "ERR_GENERATION",
        `temperature must be a number from 0, got ${shown(given.temperature)}`,
      );
    const temperature = this.#temperature(given);
    const cuts: Partial<Record<keyof typeof CUTS, number | undefined>> = {};
    if (temperature > 0) {
      for (const [option, key] of Object.entries(CUTS) as [keyof typeof CUTS, string][])
        cuts[option] = given[option] ?? this.#number(key);
      cuts.topK ??= USUAL_TOP_K;
    }
    const repetitionPenalty = given.repetitionPenalty ?? this.#number("repetition_penalty");
    return {
      ...this.#tokenRules(given, maxLength),
      ...cuts,
      temperature,
      repetitionPenalty,
      presencePenalty: given.presencePenalty,
      frequencyPenalty: given.frequencyPenalty,
      seed: given.seed,
    };
  }

  /** How many tokens may follow a prompt of so many: `max_new_tokens`, or what `max_length` leaves; null for no limit. */
  maxNewTokens(promptTokens: number): number | null {
    if (this.#fields.has("max_new_tokens")) return this.#fields.positiveInteger("max_new_tokens");
    if (!this.#fields.has("max_length")) return null;
    return Math.max(0, this.#fields.positiveInteger("max_length") - promptTokens);
  }

  #temperature(given: SamplingOptions): number {
    if (given.temperature !== undefined) return given.temperature;
    const asked = (Object.keys(CUTS) as (keyof typeof CUTS)[]).some((option) => given[option] !== undefined);
    return asked || this.doSample ? (this.#number("temperature") ?? 1) : 0;
  }

  #tokenRules(given: SamplingOptions, maxLength: number | null): TokenRules {
    const fields = this.#fields;
    const length = fields.has("forced_eos_token_id") ? maxLength : null;
    return {
      endIds: given.endIds ?? this.eosTokenIds,
      minNewTokens: given.minNewTokens ?? fields.nonNegativeInteger("min_new_tokens", 0),
      minLength: given.minLength ?? fields.nonNegativeInteger("min_length", 0),
      noRepeatNgramSize: given.noRepeatNgramSize ?? fields.nonNegativeInteger("no_repeat_ngram_size", 0),
      badWordsIds: given.badWordsIds ?? sequences(fields, "bad_words_ids"),
      sequenceBias: given.sequenceBias ?? sequenceBias(fields),
      suppressedIds: given.suppressedIds ?? fields.tokenIds("suppress_tokens"),
      suppressedFirstIds: given.suppressedFirstIds ?? fields.tokenIds("begin_suppress_tokens"),
      forcedFirstId: given.forcedFirstId ?? fields.tokenIds("forced_bos_token_id")[0],
      forcedEnd:
        given.forcedEnd ??
        (length === null ? undefined : { ids: fields.tokenIds("forced_eos_token_id"), length }),
      endBoost: given.endBoost ?? endBoost(fields),
    };
  }

  #maxLength(): number | null {
    return this.#fields.has("max_length") ? this.#fields.positiveInteger("max_length") : null;
  }

  #number(key: string): number | undefined {
    return this.#fields.has(key) ? this.#fields.number(key) : undefined;
  }
}

/**
 * Reads `generation_config.json`; a folder without one may have its keys in `config.json`, passed as `config`, as
 * transformers 4 wrote them first. End-of-text ids that the file does not give come from there too.
 *
 * @throws ERR_CHECKPOINT for a file that is not JSON, a config that is no object, or end-of-text ids that are none
 */
export function readGenerationConfig(dir: string, config: JsonObject = {}): GenerationConfig {
  if (!isJsonObject(config))
    throw new QkNormError("ERR_CHECKPOINT", `config.json must be an object, got ${shown(config)}`);
  const path = pathIn(dir, FILE);
  const old = new ConfigFields(config, "config.json");
  if (!existsSync(path)) return new GenerationConfig(generationFields(config), old.tokenIds("eos_token_id"));
  const fields = new ConfigFields(readJsonObject(path), FILE);
  return new GenerationConfig(fields, (fields.has("eos_token_id") ? fields : old).tokenIds("eos_token_id"));
}

/** Of a `config.json`, the keys that speak of generation. */
function generationFields(config: JsonObject): ConfigFields {
  const known = Object.entries(config).filter(
    ([key]) => Object.hasOwn(GENERATION_DEFAULTS, key) || READ.has(key),
  );
  return new ConfigFields(Object.fromEntries(known), "config.json");
}

/** The keys that something above asks for. */
const READ: ReadonlySet<string> = new Set([
  ...Object.values(CUTS),
  "bad_words_ids",
  "begin_suppress_tokens",
  "do_sample",
  "eos_token_id",
  "exponential_decay_length_penalty",
  "forced_bos_token_id",
  "forced_eos_token_id",
  "max_length",
  "max_new_tokens",
  "min_length",
  "min_new_tokens",
  "no_repeat_ngram_size",
  "repetition_penalty",
  "sequence_bias",
  "suppress_tokens",
  "temperature",
]);

const HARMLESS: ReadonlySet<string> = new Set(Object.values(HARMLESS_GENERATION_KEYS).flat());

function unsupported(fields: ConfigFields): readonly string[] {
  const names = Object.entries(fields.raw)
    .filter(([key, value]) => value !== null && value !== GENERATION_DEFAULTS[key])
    .filter(([key, value]) => !isEmpty(value) && !READ.has(key) && !HARMLESS.has(key))
    .map(([key]) => key);
  return names.length === 0
    ? []
    : [`${fields.source}: not done here, so that answers may differ: ${shownList(names)}`];
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function sequences(fields: ConfigFields, key: string): readonly (readonly number[])[] {
  const value = fields.value(key) ?? [];
  if (Array.isArray(value) && value.every(isSequence)) return value as number[][];
  return fields.fail(key, `must be lists of token ids, got ${shown(value)}`);
}

function sequenceBias(fields: ConfigFields): readonly SequenceBias[] {
  const value = fields.value("sequence_bias") ?? [];
  const isPair = (item: unknown): boolean =>
    Array.isArray(item) && item.length === 2 && isSequence(item[0]) && Number.isFinite(item[1]);
  if (!Array.isArray(value) || !value.every(isPair)) {
    return fields.fail("sequence_bias", `must be pairs of token ids and a number, got ${shown(value)}`);
  }
  return (value as [number[], number][]).map(([ids, bias]) => ({ ids, bias }));
}

function endBoost(fields: ConfigFields): TokenRules["endBoost"] {
  if (!fields.has("exponential_decay_length_penalty")) return undefined;
  const [start, factor, ...more] = fields.numbers("exponential_decay_length_penalty");
  if (
    start !== undefined &&
    factor !== undefined &&
    more.length === 0 &&
    Number.isSafeInteger(start) &&
    start >= 0
  )
    return { start, factor };
  return fields.fail("exponential_decay_length_penalty", "must be a number of tokens and a factor");
}

function isSequence(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)
  );
}
