import { type LikelyTokens, tokensWhere } from "@qknorm/tensor";
import type { Sampling } from "./sampling-options.ts";

/** Leaves some of the tokens that may come next, one at least. */
export type Cutoff = (tokens: LikelyTokens) => LikelyTokens;

/** One entry a token: 1 stays, 0 goes. `weights` are proportional to the probabilities. */
type Choice = (weights: Float64Array) => Uint8Array;

/** What the options cut off behind top-k, top-p and min-p, in transformers' order (`generation/logits_process.py`). */
export function cutoffsOf(sampling: Sampling): readonly Cutoff[] {
  const choices: Choice[] = [];
  if (sampling.typicalP < 1) choices.push(typicalCutoff(sampling.typicalP));
  if (sampling.epsilonCutoff > 0) choices.push(epsilonCutoff(sampling.epsilonCutoff));
  if (sampling.etaCutoff > 0) choices.push(etaCutoff(sampling.etaCutoff));
  return choices.map((choice) => (tokens) => {
    const stays = choice(Float64Array.from(tokens.scores, Math.exp));
    return tokensWhere(tokens, (_, __, i) => stays[i] === 1);
  });
}

/**
 * Locally typical sampling (Meister et al. 2022, arXiv 2202.00666): the tokens whose surprise is nearest to the entropy,
 * until their probabilities reach `mass`; as transformers' `TypicalLogitsWarper`, ties with the last included.
 */
function typicalCutoff(mass: number): Choice {
  return (weights) => {
    const probabilities = shares(weights);
    const entropy = entropyOf(probabilities);
    const distances = probabilities.map((p) => Math.abs(-Math.log(p) - entropy));
    const order = Array.from(distances.keys()).sort((a, b) => distances[a]! - distances[b]!);
    let sum = 0;
    let last = 0;
    for (const [rank, index] of order.entries()) {
      last = rank;
      sum += probabilities[index]!;
      if (!(sum < mass)) break;
    }
    const farthest = distances[order[last]!]!;
    return Uint8Array.from(distances, (distance) => (distance <= farthest ? 1 : 0));
  };
}

/** Epsilon sampling (Hewitt et al. 2022, arXiv 2210.15191): tokens at least so probable, and the likeliest. */
function epsilonCutoff(epsilon: number): Choice {
  return (weights) => atLeast(shares(weights), epsilon);
}

/** Eta sampling, of the same paper: as epsilon, but lower where the entropy is high. */
function etaCutoff(epsilon: number): Choice {
  return (weights) => {
    const probabilities = shares(weights);
    const eta = Math.min(epsilon, Math.sqrt(epsilon) * Math.exp(-entropyOf(probabilities)));
    return atLeast(probabilities, eta);
  };
}

function atLeast(probabilities: Float64Array, threshold: number): Uint8Array {
  const best = probabilities.reduce((most, p) => Math.max(most, p), 0);
  return Uint8Array.from(probabilities, (p) => (p >= threshold || p === best ? 1 : 0));
}

function shares(weights: Float64Array): Float64Array {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** In nats. */
function entropyOf(probabilities: Float64Array): number {
  return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}
