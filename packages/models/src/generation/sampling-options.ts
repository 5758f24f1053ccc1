import { QkNormError } from "@qknorm/core";

/** How the next token is chosen. Everything left out is off: `{}` takes the most likely token. */
export interface SamplingOptions {
  /** Logits are divided by it. 0 (default): take the most likely token, and ignore every other option but the penalty. */
  readonly temperature?: number | undefined;
  /** Keep this many of the most likely tokens, and ties with the last of them. 0 (default) keeps all. */
  readonly topK?: number | undefined;
  /** Keep the most likely tokens until their probabilities reach it, one at least. 1 (default) keeps all. */
  readonly topP?: number | undefined;
  /** Keep tokens at least this fraction as likely as the most likely one. 0 (default) keeps all. */
  readonly minP?: number | undefined;
  /** Logits of tokens already seen are divided by it where positive, multiplied where negative. 1 (default) is off. */
  readonly repetitionPenalty?: number | undefined;
  /** Integer from 0 to 2^53 - 1: the same seed draws the same tokens. Default: a random one. */
  readonly seed?: number | undefined;
}

/** `SamplingOptions` checked and complete, but for a seed that was left to chance. */
export interface Sampling {
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly seed: number | null;
}

interface Rule {
  readonly fallback: number;
  readonly must: string;
  readonly accept: (value: number) => boolean;
}

const RULES: Readonly<Record<Exclude<keyof Sampling, "seed">, Rule>> = {
  temperature: { fallback: 0, must: "a number from 0", accept: (value) => value >= 0 },
  topK: {
    fallback: 0,
    must: "an integer from 0",
    accept: (value) => Number.isSafeInteger(value) && value >= 0,
  },
  topP: { fallback: 1, must: "a number from 0 to 1", accept: (value) => value >= 0 && value <= 1 },
  minP: { fallback: 0, must: "a number from 0 to 1", accept: (value) => value >= 0 && value <= 1 },
  repetitionPenalty: { fallback: 1, must: "a number above 0", accept: (value) => value > 0 },
};

const SEED: Omit<Rule, "fallback"> = {
  must: "an integer from 0 to 2^53 - 1",
  accept: (value) => Number.isSafeInteger(value) && value >= 0,
};

/** @throws ERR_GENERATION that names the option, its range and what was given */
export function resolveSampling(options: SamplingOptions): Sampling {
  const read = (key: keyof typeof RULES) => check(key, options[key] ?? RULES[key].fallback, RULES[key]);
  return Object.freeze({
    temperature: read("temperature"),
    topK: read("topK"),
    topP: read("topP"),
    minP: read("minP"),
    repetitionPenalty: read("repetitionPenalty"),
    seed: options.seed === undefined ? null : check("seed", options.seed, SEED),
  });
}

function check(key: string, value: unknown, { must, accept }: Omit<Rule, "fallback">): number {
  if (typeof value === "number" && Number.isFinite(value) && accept(value)) return value;
  throw new QkNormError(
    "ERR_GENERATION",
    `${key} must be ${must}, got ${typeof value === "string" ? `"${value}"` : String(value)}`,
  );
}
