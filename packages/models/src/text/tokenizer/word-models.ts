import { QkNormError } from "@qknorm/core";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import type { TokenModel } from "./token-model.ts";

/** A piece is a token, or the unknown token. */
export class WordLevel implements TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly #unknown: string;

  constructor(fields: ConfigFields, vocabulary: ReadonlyMap<string, number>) {
    this.vocabulary = vocabulary;
    this.#unknown = fields.string("unk_token");
  }

  tokenize(piece: string): readonly number[] {
    return [this.vocabulary.get(piece) ?? unknownId(this.vocabulary, this.#unknown, piece)];
  }
}

/** WordPiece (Schuster and Nakajima, 2012): the longest token that the rest of the piece begins with, again and again. */
export class WordPiece implements TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly #unknown: string;
  readonly #prefix: string;
  readonly #longest: number;

  constructor(fields: ConfigFields, vocabulary: ReadonlyMap<string, number>) {
    this.vocabulary = vocabulary;
    this.#unknown = fields.string("unk_token");
    this.#prefix = fields.string("continuing_subword_prefix");
    this.#longest = fields.nonNegativeInteger("max_input_chars_per_word");
  }

  tokenize(piece: string): readonly number[] {
    const chars = [...piece];
    const unknown = () => [unknownId(this.vocabulary, this.#unknown, piece)];
    if (chars.length > this.#longest) return unknown();
    const ids: number[] = [];
    for (let start = 0; start < chars.length; ) {
      const [end, id] = this.#longestToken(chars, start);
      if (id === undefined) return unknown();
      ids.push(id);
      start = end;
    }
    return ids;
  }

  #longestToken(chars: readonly string[], start: number): [number, number | undefined] {
    for (let end = chars.length; end > start; end--) {
      const text = chars.slice(start, end).join("");
      const id = this.vocabulary.get(start > 0 ? this.#prefix + text : text);
      if (id !== undefined) return [end, id];
    }
    return [start, undefined];
  }
}

function unknownId(vocabulary: ReadonlyMap<string, number>, unknown: string, piece: string): number {
  const id = vocabulary.get(unknown);
  if (id !== undefined) return id;
  throw new QkNormError(
    "ERR_GENERATION",
    `the vocabulary has no token for ${JSON.stringify(piece.slice(0, 80))}, nor ${JSON.stringify(unknown.slice(0, 80))} for what it does not know`,
  );
}
