import { QkNormError } from "@qknorm/core";
import { isJsonObject } from "../../checkpoint/json-file.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import type { AddedToken } from "./added-tokens.ts";
import { MAX_ID } from "./token-model.ts";

/** A token as a file describes it; the id is given out, and only compared with what the file says. */
export type AddedTokenText = Omit<AddedToken, "id"> & { readonly statedId: number | null };

/**
 * The added tokens of a tokenizer. Ids are given out as the Rust tokenizers do: what the vocabulary has keeps its id, and
 * anything else gets the next free one. Adding a token again changes how it is found, and keeps its id.
 */
export class AddedVocabulary {
  readonly #vocabulary: ReadonlyMap<string, number>;
  readonly #tokens = new Map<string, AddedToken>();
  #largest = -1;

  constructor(vocabulary: ReadonlyMap<string, number>) {
    this.#vocabulary = vocabulary;
  }

  get tokens(): readonly AddedToken[] {
    return [...this.#tokens.values()];
  }

  /** Makes a token that was added before a special one; false if there is none. */
  markSpecial(content: string): boolean {
    const token = this.#tokens.get(content);
    if (token !== undefined) this.#tokens.set(content, { ...token, special: true });
    return token !== undefined;
  }

  /** @throws ERR_CHECKPOINT when the file states another id: its author meant another vocabulary */
  add({ statedId, ...token }: AddedTokenText, source: string): void {
    const id = this.#tokens.get(token.content)?.id ?? this.#vocabulary.get(token.content) ?? this.#nextId();
    if (statedId !== null && statedId !== id) {
      throw new QkNormError(
        "ERR_CHECKPOINT",
        `${source}: the token ${shown(token.content)} is to have the id ${statedId}, but the next free one is ${id}`,
      );
    }
    this.#largest = Math.max(this.#largest, id);
    this.#tokens.set(token.content, { ...token, id });
  }

  #nextId(): number {
    return Math.max(this.#largest + 1, this.#vocabulary.size);
  }
}

/**
 * Reads an added token: a text, or an object with `content` and flags.
 *
 * @param owner where it stands, such as "added_tokens[3]"
 * @param special whether it is special when it does not say so itself
 * @throws ERR_CHECKPOINT for anything else
 */
export function readAddedToken(
  value: unknown,
  source: string,
  owner: string,
  { special = false, statedId = null }: { special?: boolean; statedId?: number | null } = {},
): AddedTokenText {
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${source}: ${owner}${problem}`);
  };
  const token = typeof value === "string" ? { content: value } : value;
  if (!isJsonObject(token)) return fail(` must be an object, got ${shown(value)}`);
  const flag = (key: string, fallback: boolean): boolean => {
    const given = token[key] ?? fallback;
    return typeof given === "boolean" ? given : fail(`.${key} must be true or false, got ${shown(given)}`);
  };
  const { content, id = statedId } = token;
  if (id !== null && !isTokenId(id)) return fail(`.id must be a token id, got ${shown(id)}`);
  if (typeof content !== "string" || content === "")
    return fail(`.content must be text, got ${shown(content)}`);
  const isSpecial = flag("special", special);
  return {
    content,
    statedId: id,
    special: isSpecial,
    normalized: flag("normalized", !isSpecial),
    singleWord: flag("single_word", false),
    lstrip: flag("lstrip", false),
    rstrip: flag("rstrip", false),
  };
}

export function isTokenId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < MAX_ID;
}
