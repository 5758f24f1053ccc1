import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject } from "../../checkpoint/json-file.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import type { AddedToken } from "./added-tokens.ts";
import { AddedVocabulary, readAddedToken } from "./added-vocabulary.ts";

/**
 * All added tokens: those of tokenizer.json, then those that stand only in tokenizer_config.json, in the order in which
 * transformers adds them (`added_tokens_decoder` by id, then the named special tokens, then the lists).
 *
 * @throws ERR_CHECKPOINT for a token that is malformed, or whose id is not the one it would be given
 */
export function readAddedTokens(
  file: JsonObject,
  config: JsonObject,
  vocabulary: ReadonlyMap<string, number>,
  path: string,
): readonly AddedToken[] {
  const added = new AddedVocabulary(vocabulary);
  const listed = file.added_tokens ?? [];
  if (!Array.isArray(listed))
    throw new QkNormError("ERR_CHECKPOINT", `${path}: added_tokens must be an array, got ${shown(listed)}`);
  for (const [i, token] of listed.entries()) {
    const owner = `added_tokens[${i}]`;
    const read = readAddedToken(token, path, owner);
    if (read.statedId === null)
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${owner}.id must be a token id`);
    added.add(read, path);
  }
  const source = "tokenizer_config.json";
  for (const [id, token] of decoderEntries(config)) {
    const read = readAddedToken(token, source, `added_tokens_decoder.${id}`, { statedId: id });
    added.add(read, source);
  }
  for (const [name, token] of specialTokenEntries(config)) {
    const read = readAddedToken(token, source, name, { special: true });
    // What is known is found as before, but counts as special.
    if (!added.markSpecial(read.content)) added.add({ ...read, statedId: null }, source);
  }
  return added.tokens;
}

/** The named special tokens of tokenizer_config.json, such as `bos_token`, as text: what templates may use. */
export function namedSpecialTokens(config: JsonObject): Readonly<Record<string, string>> {
  const named = Object.entries(config).filter(([key, value]) => isNamedToken(key, value));
  return Object.fromEntries(named.map(([key, value]) => [key, contentOf(value)!]));
}

/**
 * The post-processor to use: the file's, or for a file that does not speak of one what `add_bos_token` and
 * `add_eos_token` of tokenizer_config.json ask for, as in transformers.
 */
export function readPostProcessor(
  file: JsonObject,
  config: JsonObject,
  added: readonly AddedToken[],
): unknown {
  if (file.post_processor !== undefined) return file.post_processor;
  const { bos_token: bos, eos_token: eos } = namedSpecialTokens(config);
  const before = config.add_bos_token === true && bos !== undefined ? [bos] : [];
  const after = config.add_eos_token === true && eos !== undefined ? [eos] : [];
  const special = (token: string) => ({ SpecialToken: { id: token } });
  const ids = (token: string) => added.filter(({ content }) => content === token).map(({ id }) => id);
  return {
    type: "TemplateProcessing",
    single: [...before.map(special), { Sequence: { id: "A" } }, ...after.map(special)],
    special_tokens: Object.fromEntries([...before, ...after].map((token) => [token, { ids: ids(token) }])),
  };
}

function decoderEntries(config: JsonObject): readonly (readonly [number, unknown])[] {
  const decoder = config.added_tokens_decoder ?? {};
  if (!isJsonObject(decoder)) {
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `tokenizer_config.json: added_tokens_decoder must be an object, got ${shown(decoder)}`,
    );
  }
  return Object.entries(decoder)
    .map(([id, token]) => [Number(id), token] as const)
    .sort(([a], [b]) => a - b);
}

function specialTokenEntries(config: JsonObject): readonly (readonly [string, unknown])[] {
  const named = Object.entries(config).filter(([key, value]) => isNamedToken(key, value));
  // The older name counts only without the newer one.
  const key = config.extra_special_tokens ? "extra_special_tokens" : "additional_special_tokens";
  const list = config[key];
  const more = Array.isArray(list)
    ? list.map((token: unknown, i) => [`${key}[${i}]`, token] as const)
    : Object.entries(isJsonObject(list) ? list : {});
  return [...named, ...more];
}

function isNamedToken(key: string, value: unknown): boolean {
  return key.endsWith("_token") && contentOf(value) !== undefined;
}

/** A special token is written as its text, or as an object that has it in `content`. */
function contentOf(value: unknown): string | undefined {
  const text = isJsonObject(value) ? value.content : value;
  return typeof text === "string" && text !== "" ? text : undefined;
}
