import { QkNormError } from "@qknorm/core";
import { assertOptions } from "../checkpoint/options-argument.ts";
import { shown } from "../checkpoint/shown-value.ts";
import { type ResolvedTokenRules, resolveTokenRules, type TokenRules } from "./token-rules.ts";

/** How the next token is chosen. Everything left out is off: `{}` takes the most likely token. */
export interface SamplingOptions extends TokenRules {
  /**
   * Logits are divided by it. 0 (default): take the most likely token; what cuts tokens off is ignored then, but not the
   * penalties and the token rules.
   */
  readonly temperature?: number | undefined;
  /** Keep this many of the most likely tokens, and ties with the last of them. 0 (default) and -1 keep all. */
  readonly topK?: number | undefined;
  /** Keep the most likely tokens until their probabilities reach it, one at least. 1 (default) keeps all. */
  readonly topP?: number | undefined;
  /** Keep tokens at least this fraction as likely as the most likely one. 0 (default) keeps all. */
  readonly minP?: number | undefined;
  /** Keep the tokens whose surprise is nearest to what is expected, until they reach this mass. 1 (default) keeps all. */
  readonly typicalP?: number | undefined;
  /** Keep tokens at least so probable. 0 (default) keeps all. */
  readonly epsilonCutoff?: number | undefined;
  /** As `epsilonCutoff`, but lower where many tokens are likely. 0 (default) keeps all. */
  readonly etaCutoff?: number | undefined;
  /** Logits of tokens already seen are divided by it where positive, multiplied where negative. 1 (default) is off. */
  readonly repetitionPenalty?: number | undefined;
  /** Taken off the logits of tokens that were chosen before, those of the prompt apart; from -2 to 2. 0 (default) is off. */
  readonly presencePenalty?: number | undefined;
  /** As `presencePenalty`, for each time that the token was chosen. */
  readonly frequencyPenalty?: number | undefined;
  /** Integer from 0 to 2^53 - 1: the same seed draws the same tokens. Default: a random one. */
  readonly seed?: number | undefined;
}

/** `SamplingOptions` checked and complete, but for a seed that was left to chance. */
export interface Sampling extends ResolvedTokenRules {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly typicalP: number;
  readonly epsilonCutoff: number;
  readonly etaCutoff: number;
  readonly repetitionPenalty: number;
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
  readonly seed: number | null;
}

interface Rule {
  readonly fallback: number;
  readonly must: string;
  readonly accept: (value: number) => boolean;
}

const FRACTION: Omit<Rule, "fallback"> = {
  must: "a number from 0 to 1",
  accept: (value) => value >= 0 && value <= 1,
};

const SUBTRAHEND: Rule = {
  fallback: 0,
  must: "a number from -2 to 2",
  accept: (value) => value >= -2 && value <= 2,
};

const RULES: Readonly<Record<Exclude<keyof Sampling, "seed" | keyof ResolvedTokenRules>, Rule>> = {
  temperature: { fallback: 0, must: "a number from 0", accept: (value) => value >= 0 },
  topK: {
    fallback: 0,
    must: "an integer from 0, or -1",
    accept: (value) => Number.isSafeInteger(value) && value >= -1,
  },
  topP: { fallback: 1, ...FRACTION },
  minP: { fallback: 0, ...FRACTION },
  typicalP: {
    fallback: 1,
    must: "a number above 0 and at most 1",
    accept: (value) => value > 0 && value <= 1,
  },
  epsilonCutoff: { fallback: 0, ...FRACTION },
  etaCutoff: { fallback: 0, ...FRACTION },
  repetitionPenalty: { fallback: 1, must: "a number above 0", accept: (value) => value > 0 },
  presencePenalty: SUBTRAHEND,
  frequencyPenalty: SUBTRAHEND,
};

const SEED: Omit<Rule, "fallback"> = {
  must: "an integer from 0 to 2^53 - 1",
  accept: (value) => Number.isSafeInteger(value) && value >= 0,
};

/** @throws ERR_GENERATION that names the option, its range and what was given */
export function resolveSampling(options: SamplingOptions): Sampling {
  assertOptions(options);
  const read = (key: keyof typeof RULES) => check(key, options[key] ?? RULES[key].fallback, RULES[key]);
  return Object.freeze({
    ...resolveTokenRules(options),
    temperature: read("temperature"),
    topK: Math.max(read("topK"), 0),
    topP: read("topP"),
    minP: read("minP"),
    typicalP: read("typicalP"),
    epsilonCutoff: read("epsilonCutoff"),
    etaCutoff: read("etaCutoff"),
    repetitionPenalty: read("repetitionPenalty"),
    presencePenalty: read("presencePenalty"),
    frequencyPenalty: read("frequencyPenalty"),
    seed: options.seed === undefined ? null : check("seed", options.seed, SEED),
  });
}

function check(key: string, value: unknown, { must, accept }: Omit<Rule, "fallback">): number {
  if (typeof value === "number" && Number.isFinite(value) && accept(value)) return value;
  throw new QkNormError("ERR_GENERATION", `${key} must be ${must}, got ${shown(value)}`);
}
