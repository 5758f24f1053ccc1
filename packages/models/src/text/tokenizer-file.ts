import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject } from "../checkpoint/json-file.ts";
import { shown } from "../checkpoint/shown-value.ts";

/** Far above any real vocabulary; keeps a corrupted id from asking for gigabytes. */
const MAX_ID = 2 ** 22;

const MODELS: readonly string[] = ["BPE", "WordPiece", "Unigram"];

export interface TokenizerFacts {
  /** One more than the largest id. */
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
}

interface AddedToken {
  readonly id: number;
  readonly special: boolean;
}

/**
 * Checks what the tokenizer library takes on trust in a parsed `tokenizer.json`, and sums it up. Wrong ids
 * or merges would otherwise drop text without a word.
 *
 * @throws ERR_CHECKPOINT that names `path` and what is wrong
 */
export function checkTokenizerFile(file: JsonObject, path: string): TokenizerFacts {
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
  };
  const { model, added_tokens: added } = file;
  if (!isJsonObject(model)) return fail(`model must be an object, got ${shown(model)}`);
  const type = model.type ?? "BPE";
  if (!MODELS.includes(type as string))
    fail(`model.type must be one of ${MODELS.join(", ")}, got ${shown(type)}`);
  const vocabSize = checkVocabulary(model.vocab, fail);
  if (type === "BPE") checkMerges(model.merges, model.vocab, fail);
  for (const part of ["normalizer", "pre_tokenizer", "decoder"]) checkPatterns(file[part], part, fail);
  if (!Array.isArray(added)) return fail(`added_tokens must be an array, got ${shown(added)}`);
  const tokens = added.map((token, i) => readAddedToken(token, `added_tokens[${i}]`, fail));
  return {
    vocabSize: tokens.reduce((size, { id }) => Math.max(size, id + 1), vocabSize),
    specialIds: new Set(tokens.filter(({ special }) => special).map(({ id }) => id)),
  };
}

type Fail = (problem: string) => never;

/** Returns one more than the largest id. */
function checkVocabulary(vocab: unknown, fail: Fail): number {
  if (Array.isArray(vocab)) return vocab.length;
  if (!isJsonObject(vocab)) return fail(`model.vocab must be an object or an array, got ${shown(vocab)}`);
  const taken = new Uint8Array(MAX_ID);
  let size = 0;
  for (const [token, id] of Object.entries(vocab)) {
    if (!isTokenId(id)) return fail(`model.vocab gives ${shown(token)} the id ${shown(id)}`);
    if (taken[id] === 1) return fail(`model.vocab has two tokens of id ${id}, one of them ${shown(token)}`);
    taken[id] = 1;
    size = Math.max(size, id + 1);
  }
  return size;
}

/** A merge is "left right" or [left, right]; both and what they make must be tokens. */
function checkMerges(merges: unknown, vocab: unknown, fail: Fail): void {
  if (!Array.isArray(merges)) fail(`model.merges must be an array, got ${shown(merges)}`);
  if (!isJsonObject(vocab)) fail("model.vocab must be an object");
  const arePairs = Array.isArray(merges[0]);
  for (const [i, merge] of (merges as unknown[]).entries()) {
    const parts: unknown = arePairs || typeof merge !== "string" ? merge : merge.split(" ");
    const [left, right] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : [];
    if (typeof left !== "string" || typeof right !== "string") {
      fail(`model.merges[${i}] must be a pair of tokens, got ${shown(merge)}`);
    }
    const unknown = [left, right, left + right].find((token) => !Object.hasOwn(vocab, token));
    if (unknown !== undefined)
      fail(`model.merges[${i}] needs the token ${shown(unknown)}, which is not in model.vocab`);
  }
}

function checkPatterns(part: unknown, owner: string, fail: Fail): void {
  if (Array.isArray(part))
    for (const [i, item] of part.entries()) checkPatterns(item, `${owner}[${i}]`, fail);
  if (!isJsonObject(part)) return;
  if ("pattern" in part) {
    const { pattern } = part;
    const known =
      isJsonObject(pattern) && (typeof pattern.Regex === "string" || typeof pattern.String === "string");
    if (!known) fail(`${owner}.pattern must have a Regex or a String`);
  }
  for (const list of ["normalizers", "pretokenizers", "decoders"])
    checkPatterns(part[list], `${owner}.${list}`, fail);
}

function readAddedToken(token: unknown, owner: string, fail: Fail): AddedToken {
  if (!isJsonObject(token)) return fail(`${owner} must be an object, got ${shown(token)}`);
  const { id, content, special } = token;
  if (!isTokenId(id)) return fail(`${owner}.id must be a token id, got ${shown(id)}`);
  if (typeof content !== "string" || content === "")
    return fail(`${owner}.content must be text, got ${shown(content)}`);
  return { id, special: special === true };
}

function isTokenId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < MAX_ID;
}
