import { QkNormError } from "@qknorm/core";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { PairQueue } from "./pair-queue.ts";
import type { TokenModel } from "./token-model.ts";
import { byteTokens, MAX_ID } from "./token-model.ts";

/** Pieces that are remembered, and the longest of them. */
const CACHED = { pieces: 10_000, length: 256 };

/** A merge that may happen: the two ids as one number to its rank, which is its place in the file. */
type Ranks = ReadonlyMap<number, number>;

/**
 * Byte-pair encoding (Sennrich, Haddow and Birch, arXiv 1508.07909): a piece begins as characters, and of all
 * neighbours that have a merge, the one of the lowest rank is merged first, of equals the leftmost.
 */
export class Bpe implements TokenModel {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly #ranks: Ranks;
  /** By rank: the id that a merge makes. */
  readonly #made: Int32Array;
  readonly #prefix: string;
  readonly #suffix: string;
  readonly #unknown: string | null;
  readonly #fuseUnknown: boolean;
  readonly #byteFallback: boolean;
  readonly #ignoreMerges: boolean;
  readonly #cache = new Map<string, readonly number[]>();

  /**
   * @param fields `model` of tokenizer.json
   * @throws ERR_CHECKPOINT for merges of tokens that are not in the vocabulary, and for dropout, which is random
   */
  constructor(fields: ConfigFields, vocabulary: ReadonlyMap<string, number>) {
    this.vocabulary = vocabulary;
    this.#prefix = fields.string("continuing_subword_prefix", "");
    this.#suffix = fields.string("end_of_word_suffix", "");
    this.#unknown = fields.has("unk_token") ? fields.string("unk_token") : null;
    this.#fuseUnknown = fields.boolean("fuse_unk", false);
    this.#byteFallback = fields.boolean("byte_fallback", false);
    this.#ignoreMerges = fields.boolean("ignore_merges", false);
    if (fields.number("dropout", 0) !== 0)
      fields.fail("dropout", "must be null or 0: with it a text has other tokens every time");
    const merges = readMerges(fields, vocabulary, this.#prefix.length);
    this.#ranks = merges.ranks;
    this.#made = merges.made;
  }

  tokenize(piece: string): readonly number[] {
    if (this.#ignoreMerges) {
      const whole = this.vocabulary.get(piece);
      if (whole !== undefined) return [whole];
    }
    const cached = this.#cache.get(piece);
    if (cached !== undefined) return cached;
    const ids = this.#merge(this.#characters(piece));
    if (piece.length <= CACHED.length) {
      if (this.#cache.size === CACHED.pieces) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  // Characters without a token become bytes, or the unknown token, or, as in the Rust tokenizers, nothing.
  #characters(piece: string): number[] {
    const ids: number[] = [];
    let unknown: number | null = null;
    let at = 0;
    for (const char of piece) {
      const end = at + char.length;
      const token = (at > 0 ? this.#prefix : "") + char + (end === piece.length ? this.#suffix : "");
      at = end;
      const id = this.vocabulary.get(token);
      if (id !== undefined) {
        if (unknown !== null) ids.push(unknown);
        unknown = null;
        ids.push(id);
        continue;
      }
      const bytes = this.#byteFallback ? byteTokens(token, this.vocabulary) : null;
      if (bytes !== null) {
        ids.push(...bytes);
        continue;
      }
      if (this.#unknown === null) continue;
      if (unknown !== null && !this.#fuseUnknown) ids.push(unknown);
      unknown = this.#unknownId(token);
    }
    if (unknown !== null) ids.push(unknown);
    return ids;
  }

  #unknownId(token: string): number {
    const id = this.vocabulary.get(this.#unknown as string);
    if (id !== undefined) return id;
    throw new QkNormError("ERR_GENERATION", `the vocabulary has no token for ${JSON.stringify(token)}`);
  }

  #merge(ids: number[]): readonly number[] {
    if (ids.length < 2) return ids;
    const count = ids.length;
    const next = Int32Array.from(ids, (_, i) => (i + 1 < count ? i + 1 : -1));
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const queue = new PairQueue();
    const offer = (left: number): void => {
      const rank = this.#rankAt(ids, left, next[left]!);
      if (rank !== undefined) queue.push(rank, left);
    };
    for (let i = 0; i + 1 < count; i++) offer(i);
    for (let pair = queue.pop(); pair !== null; pair = queue.pop()) {
      const { rank, position } = pair;
      const right = next[position]!;
      // An entry is stale when its pair is gone: merged away, or now one that makes another token.
      const current = ids[position] === GONE ? undefined : this.#rankAt(ids, position, right);
      if (current === undefined || this.#made[current] !== this.#made[rank]) continue;
      ids[position] = this.#made[rank]!;
      ids[right] = GONE;
      next[position] = next[right]!;
      if (next[position]! >= 0) previous[next[position]!] = position;
      if (previous[position]! >= 0) offer(previous[position]!);
      offer(position);
    }
    return ids.filter((id) => id !== GONE);
  }

  #rankAt(ids: readonly number[], left: number, right: number): number | undefined {
    return right < 0 ? undefined : this.#ranks.get(pairKey(ids[left]!, ids[right]!));
  }
}

const GONE = -1;

function pairKey(left: number, right: number): number {
  return left * MAX_ID + right;
}

/** A merge is "left right" or [left, right]; both and what they make must be tokens. */
function readMerges(
  fields: ConfigFields,
  vocabulary: ReadonlyMap<string, number>,
  prefixLength: number,
): { ranks: Ranks; made: Int32Array } {
  const merges: unknown = fields.raw.merges;
  if (!Array.isArray(merges)) return fields.fail("merges", `must be an array, got ${shown(merges)}`);
  const ranks = new Map<number, number>();
  const made = new Int32Array(merges.length);
  const id = (token: string, i: number): number =>
    vocabulary.get(token) ??
    fields.fail(`merges[${i}]`, `needs the token ${shown(token)}, which is not in model.vocab`);
  for (const [i, merge] of (merges as unknown[]).entries()) {
    const parts: unknown = typeof merge === "string" ? merge.split(" ") : merge;
    const [left, right] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : [];
    if (typeof left !== "string" || typeof right !== "string")
      return fields.fail(`merges[${i}]`, `must be a pair of tokens, got ${shown(merge)}`);
    ranks.set(pairKey(id(left, i), id(right, i)), i);
    made[i] = id(left + right.slice(prefixLength), i);
  }
  return { ranks, made };
}
