import { ConfigFields } from "../../checkpoint/config-fields.ts";
import { isJsonObject } from "../../checkpoint/json-file.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { isTokenId } from "./added-vocabulary.ts";
import { Bpe } from "./bpe.ts";
import { MAX_ID, type TokenModel } from "./token-model.ts";
import { Unigram } from "./unigram.ts";
import { WordLevel, WordPiece } from "./word-models.ts";

const KINDS: Readonly<Record<string, (fields: ConfigFields) => TokenModel>> = {
  BPE: (fields) => new Bpe(fields, readVocabulary(fields)),
  WordPiece: (fields) => new WordPiece(fields, readVocabulary(fields)),
  WordLevel: (fields) => new WordLevel(fields, readVocabulary(fields)),
  Unigram: (fields) => new Unigram(fields),
};

/** Reads `model` of tokenizer.json. @throws ERR_CHECKPOINT that names `path` and what is wrong */
export function readTokenModel(part: unknown, path: string): TokenModel {
  if (!isJsonObject(part))
    return new ConfigFields({}, path).fail("model", `must be an object, got ${shown(part)}`);
  const fields = new ConfigFields(part, path, "model.");
  // The oldest files have no type; they are BPE.
  const type = fields.string("type", "BPE");
  const make = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (make === undefined)
    return fields.fail("type", `must be one of ${Object.keys(KINDS).join(", ")}, got ${shown(type)}`);
  return make(fields);
}

function readVocabulary(fields: ConfigFields): ReadonlyMap<string, number> {
  const { vocab } = fields.raw;
  if (!isJsonObject(vocab)) return fields.fail("vocab", `must be an object, got ${shown(vocab)}`);
  const taken = new Uint8Array(MAX_ID);
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!isTokenId(id)) return fields.fail("vocab", `gives ${shown(token)} the id ${shown(id)}`);
    if (taken[id] === 1) fields.fail("vocab", `has two tokens of id ${id}, one of them ${shown(token)}`);
    taken[id] = 1;
    vocabulary.set(token, id);
  }
  return vocabulary;
}
