// What the ops choose tokens by on the CPU, for who samples by rules of their own: checked, as the ops need not be.
import { QkNormError } from "@qknorm/core";
import * as likely from "./backends/cpu/typescript/likely-tokens.ts";
import * as penalties from "./backends/cpu/typescript/penalties.ts";
import { assertCount, assertFunction, assertNumber, assertObject } from "./plain-argument.ts";
import { shown } from "./strides.ts";

export type { LikelyTokens, TokenCuts } from "./backends/cpu/typescript/likely-tokens.ts";
export type { TokenPenalties } from "./backends/cpu/typescript/penalties.ts";

/**
 * What the cuts leave of the tokens of `logits [V]`, finite or -Infinity, of which `largest` is the largest. Masses are whole
 * units of 2^-31 of the likeliest token's, so that no order of additions changes them.
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for what is none of these, and for cuts out of their range
 */
export function likelyTokens(
  logits: Float32Array,
  largest: number,
  cuts: likely.TokenCuts,
): likely.LikelyTokens {
  assertArray(logits, Float32Array, "logits");
  assertNumber(largest, "the largest logit", Number.NEGATIVE_INFINITY);
  assertObject(cuts, "cuts");
  const { temperature, topK, topP, minP } = cuts;
  assertNumber(temperature, "temperature", Number.MIN_VALUE);
  assertCount(topK, "topK");
  assertNumber(topP, "topP", 0);
  assertNumber(minP, "minP", 0);
  return likely.likelyTokens(logits, largest, cuts);
}

/** Those of which a test holds. Throws `ERR_QKNORM_ARGUMENT` for what is no list of tokens, or no function. */
export function tokensWhere(
  tokens: likely.LikelyTokens,
  stays: (id: number, score: number, index: number) => boolean,
): likely.LikelyTokens {
  assertTokens(tokens);
  assertFunction(stays, "tokensWhere");
  return likely.tokensWhere(tokens, stays);
}

/**
 * One of the tokens, as likely as its score says: that with the largest sum of score and Gumbel number (Gumbel 1954), of equal
 * ones the lowest id; -1 where there are none. The numbers are Philox's of the seed's halves and the counter, by id.
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for what is no list of tokens, two numbers and a number
 */
export function drawToken(
  tokens: likely.LikelyTokens,
  seed: readonly [low: number, high: number],
  counter: number,
): number {
  assertTokens(tokens);
  if (!Array.isArray(seed) || seed.length !== 2) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `a seed must be an array of two integers, got ${shown(seed)}`,
    );
  }
  for (const half of [...seed, counter]) assertInteger(half);
  return likely.drawToken(tokens, seed, counter);
}

/**
 * The logit, f32, of a token that was `drawn` so often, and stands there or in the prompt.
 *
 * @throws QkNormError `ERR_QKNORM_ARGUMENT` for what is no number
 */
export function penalized(logit: number, drawn: number, by: penalties.TokenPenalties): number {
  if (typeof logit !== "number") {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `a logit must be a number, got ${shown(logit)}`);
  }
  assertCount(drawn, "how often a token was drawn");
  assertObject(by, "penalties");
  assertNumber(by.repetitionPenalty, "repetitionPenalty", 0);
  assertNumber(by.presencePenalty, "presencePenalty", Number.NEGATIVE_INFINITY);
  assertNumber(by.frequencyPenalty, "frequencyPenalty", Number.NEGATIVE_INFINITY);
  return penalties.penalized(logit, drawn, by);
}

function assertTokens(tokens: unknown): asserts tokens is likely.LikelyTokens {
  assertObject(tokens, "tokens");
  const { ids, scores } = tokens as Partial<likely.LikelyTokens>;
  assertArray(ids, Uint32Array, "ids of tokens");
  assertArray(scores, Float32Array, "scores of tokens");
  if (ids.length === scores.length) return;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    `each token must have an id and a score, got ${ids.length} ids and ${scores.length} scores`,
  );
}

function assertArray<Kind extends Float32ArrayConstructor | Uint32ArrayConstructor>(
  value: unknown,
  kind: Kind,
  what: string,
): asserts value is InstanceType<Kind> {
  // A proxy of one has no elements of its own.
  if (ArrayBuffer.isView(value) && value instanceof kind) return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${what} must be a ${kind.name}, got ${shown(value)}`);
}

function assertInteger(value: unknown): void {
  if (Number.isSafeInteger(value)) return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `seed and counter must be integers, got ${shown(value)}`);
}
