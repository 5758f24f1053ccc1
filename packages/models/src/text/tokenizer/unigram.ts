import { QkNormError } from "@qknorm/core";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { byteTokens, MAX_ID, type TokenModel } from "./token-model.ts";

/** What an unknown character costs below the rarest token, in nats, as in sentencepiece. */
const UNKNOWN_PENALTY = 10;

/**
 * Unigram language model (Kudo, arXiv 1804.10959): of all ways to cut a piece into tokens, the one of the highest sum
 * of scores (Viterbi). Neighbouring unknown characters become one token.
 */
export class Unigram implements TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly #scores: readonly number[];
  readonly #unknownId: number | null;
  readonly #unknownScore: number;
  readonly #byteFallback: boolean;
  /** In UTF-16 units. */
  readonly #longestToken: number;

  /** @param fields `model` of tokenizer.json; its vocab is a list of [token, score] */
  constructor(fields: ConfigFields) {
    const entries = readEntries(fields);
    this.vocabulary = new Map(entries.map(([token], id) => [token, id]));
    this.#scores = entries.map(([, score]) => score);
    this.#unknownId = fields.has("unk_id") ? fields.nonNegativeInteger("unk_id") : null;
    if (this.#unknownId !== null && this.#unknownId >= entries.length)
      fields.fail("unk_id", `is ${this.#unknownId}; the vocabulary has ${entries.length} tokens`);
    this.#unknownScore = this.#scores.reduce((a, b) => Math.min(a, b), Infinity) - UNKNOWN_PENALTY;
    this.#byteFallback = fields.boolean("byte_fallback", false);
    this.#longestToken = entries.reduce((longest, [token]) => Math.max(longest, token.length), 0);
  }

  tokenize(piece: string): readonly number[] {
    return this.#cut(piece).flatMap((token) => {
      const id = this.vocabulary.get(token);
      if (id !== undefined) return id;
      const bytes = this.#byteFallback ? byteTokens(token, this.vocabulary) : null;
      return bytes ?? this.#unknown(token);
    });
  }

  #unknown(token: string): number {
    if (this.#unknownId !== null) return this.#unknownId;
    throw new QkNormError(
      "ERR_GENERATION",
      `the vocabulary has no token for ${JSON.stringify(token.slice(0, 80))}`,
    );
  }

  #cut(piece: string): string[] {
    const best = new Float64Array(piece.length + 1); // [position]: the score of the best way there
    const from = new Int32Array(piece.length + 1).fill(-1); // [position]: where its last token begins
    const unknown = new Uint8Array(piece.length + 1); // [position]: that token is the unknown one
    const reach = (start: number, end: number, score: number, isUnknown: boolean): void => {
      const total = best[start]! + score;
      if (from[end]! >= 0 && total <= best[end]!) return;
      best[end] = total;
      from[end] = start;
      unknown[end] = isUnknown ? 1 : 0;
    };
    for (let start = 0; start < piece.length; ) {
      const width = piece.codePointAt(start)! > 0xffff ? 2 : 1;
      let single = false;
      const last = Math.min(piece.length, start + this.#longestToken);
      for (let end = start + 1; end <= last; end++) {
        const id = this.vocabulary.get(piece.slice(start, end));
        if (id === undefined) continue;
        reach(start, end, this.#scores[id]!, id === this.#unknownId);
        single ||= end - start === width;
      }
      if (!single) reach(start, start + width, this.#unknownScore, true);
      start += width;
    }
    const tokens: string[] = [];
    let unknownEnd = -1; // of the run of unknown characters that is being walked back through
    for (let end = piece.length; end > 0; end = from[end]!) {
      if (unknown[end] === 1 && this.#unknownId !== null) {
        if (unknownEnd < 0) unknownEnd = end;
        continue;
      }
      if (unknownEnd >= 0) tokens.push(piece.slice(end, unknownEnd));
      unknownEnd = -1;
      tokens.push(piece.slice(from[end]!, end));
    }
    if (unknownEnd >= 0) tokens.push(piece.slice(0, unknownEnd));
    return tokens.reverse();
  }
}

function readEntries(fields: ConfigFields): readonly (readonly [string, number])[] {
  const vocab: unknown = fields.raw.vocab;
  if (!Array.isArray(vocab) || vocab.length === 0 || vocab.length > MAX_ID)
    return fields.fail("vocab", `must be an array of [token, score], got ${shown(vocab)}`);
  return vocab.map((entry: unknown, id) => {
    const [token, score] = Array.isArray(entry) ? (entry as unknown[]) : [];
    if (typeof token === "string" && typeof score === "number") return [token, score];
    return fields.fail(`vocab[${id}]`, `must be a token and its score, got ${shown(entry)}`);
  });
}
