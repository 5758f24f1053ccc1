import { QkNormError } from "@qknorm/core";

/** Tokens that are made likelier, unlikelier, or forced, whatever way the next one is then chosen. */
export interface TokenRules {
  /** What ends a text, for the rules that speak of it. */
  readonly endIds?: readonly number[] | undefined;
  /** No end of text before so many new tokens. Goes before `minLength`. */
  readonly minNewTokens?: number | undefined;
  /** No end of text before so many tokens, prompt included. */
  readonly minLength?: number | undefined;
  /** No sequence of so many tokens comes twice. 0 (default) is off. */
  readonly noRepeatNgramSize?: number | undefined;
  /** Sequences that are never completed. */
  readonly badWordsIds?: readonly (readonly number[])[] | undefined;
  /** Added to the logit of a sequence's last token where the others have just come. */
  readonly sequenceBias?: readonly SequenceBias[] | undefined;
  /** Tokens that are never chosen, and those that are not chosen first. */
  readonly suppressedIds?: readonly number[] | undefined;
  readonly suppressedFirstIds?: readonly number[] | undefined;
  /** Chosen after a prompt of one token. */
  readonly forcedFirstId?: number | undefined;
  /** Chosen as the last of so many tokens, prompt included. */
  readonly forcedEnd?: { readonly ids: readonly number[]; readonly length: number } | undefined;
  /** Once `start` new tokens are there, the end of text gets likelier by this factor with each. */
  readonly endBoost?: { readonly start: number; readonly factor: number } | undefined;
}

export interface SequenceBias {
  readonly ids: readonly number[];
  readonly bias: number;
}

type Required<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> };

/** `TokenRules` checked and complete. */
export type ResolvedTokenRules = Required<Omit<TokenRules, "forcedFirstId" | "forcedEnd" | "endBoost">> & {
  readonly [K in "forcedFirstId" | "forcedEnd" | "endBoost"]: Exclude<TokenRules[K], undefined> | null;
};

/** @throws ERR_GENERATION that names the rule */
export function resolveTokenRules(rules: TokenRules): ResolvedTokenRules {
  const { forcedFirstId = null, forcedEnd = null, endBoost = null } = rules;
  const { badWordsIds = [], sequenceBias = [] } = rules;
  for (const [key, value] of Object.entries({ badWordsIds, sequenceBias }))
    require(Array.isArray(value) &&
      value.every((one) => typeof one === "object" && one !== null), key, "be a list");
  for (const ids of badWordsIds) sequence("badWordsIds", ids);
  for (const { ids, bias } of sequenceBias) {
    sequence("sequenceBias", ids);
    require(typeof bias === "number" && !Number.isNaN(bias), "sequenceBias", "hold numbers");
  }
  if (forcedFirstId !== null) tokenIds("forcedFirstId", [forcedFirstId]);
  if (forcedEnd !== null) {
    sequence("forcedEnd", forcedEnd.ids);
    count("forcedEnd", forcedEnd.length);
  }
  if (endBoost !== null) {
    count("endBoost", endBoost.start);
    require(Number.isFinite(endBoost.factor), "endBoost", "have a number as its factor");
  }
  return {
    endIds: tokenIds("endIds", rules.endIds ?? []),
    minNewTokens: count("minNewTokens", rules.minNewTokens ?? 0),
    minLength: count("minLength", rules.minLength ?? 0),
    noRepeatNgramSize: count("noRepeatNgramSize", rules.noRepeatNgramSize ?? 0),
    badWordsIds,
    sequenceBias,
    suppressedIds: tokenIds("suppressedIds", rules.suppressedIds ?? []),
    suppressedFirstIds: tokenIds("suppressedFirstIds", rules.suppressedFirstIds ?? []),
    forcedFirstId,
    forcedEnd,
    endBoost,
  };
}

function sequence(key: string, ids: readonly number[]): void {
  require(Array.isArray(ids) && ids.length > 0, key, "hold lists of token ids");
  tokenIds(key, ids);
}

function tokenIds(key: string, ids: readonly number[]): readonly number[] {
  require(Array.isArray(ids) && ids.every(isCount), key, "be token ids, integers from 0");
  return ids;
}

function count(key: string, value: number): number {
  require(isCount(value), key, "be an integer from 0");
  return value;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function require(holds: boolean, key: string, must: string): void {
  if (!holds) throw new QkNormError("ERR_GENERATION", `${key} must ${must}`);
}
