import { QkNormError } from "@qknorm/core";
import { createRandomSource, randomSeed } from "./random.ts";
import { SamplingFilter } from "./sampling-filter.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";

/**
 * Picks the next token of a sequence.
 *
 * @param logits [V], one per token id; not written to
 * @param seen ids so far, prompt included; read only for a repetition penalty, and needed then
 * @throws ERR_GENERATION for logits that are empty, hold a NaN or +Infinity, or are all -Infinity
 */
export type Sampler = (logits: Float32Array, seen?: Iterable<number>) => number;

/**
 * A sampler with its own random stream: one for each sequence. Without a temperature it takes the largest logit, of
 * equal ones the lowest id.
 *
 * @throws ERR_GENERATION for an option out of range
 */
export function createSampler(options: SamplingOptions = {}): Sampler {
  const sampling = resolveSampling(options);
  const filter = new SamplingFilter(sampling);
  const random = createRandomSource(sampling.seed ?? randomSeed());
  return (logits, seen) => {
    const scores =
      sampling.repetitionPenalty === 1 ? logits : penalised(logits, seen, sampling.repetitionPenalty);
    const likeliest = argmax(scores);
    return sampling.temperature === 0 ? likeliest : filter.draw(scores, scores[likeliest]!, random.next());
  };
}

/** Id of the largest logit, of equal ones the lowest. @throws ERR_GENERATION as `Sampler` */
export function argmax(logits: Float32Array): number {
  if (!(logits instanceof Float32Array) || logits.length === 0) {
    throw new QkNormError(
      "ERR_GENERATION",
      "there are no logits to choose a token from: expected a Float32Array [V]",
    );
  }
  let best = -Infinity;
  let id = -1;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit > best) {
      best = logit;
      id = i;
    } else if (Number.isNaN(logit)) {
      throw new QkNormError("ERR_GENERATION", `the logit of token ${i} is NaN: the forward pass went wrong`);
    }
  }
  if (Number.isFinite(best)) return id;
  const problem = id < 0 ? "every logit is -Infinity" : `the logit of token ${id} is Infinity`;
  throw new QkNormError("ERR_GENERATION", `${problem}: the forward pass went wrong`);
}

/** Keskar et al., CTRL (arXiv 1909.05858), as transformers' `RepetitionPenaltyLogitsProcessor` does it. */
function penalised(logits: Float32Array, seen: Iterable<number> | undefined, penalty: number): Float32Array {
  if (seen === undefined) {
    throw new QkNormError(
      "ERR_GENERATION",
      "repetitionPenalty needs the ids so far: pass them with the logits",
    );
  }
  const scores = logits.slice();
  for (const id of new Set(seen)) {
    const logit = scores[id];
    if (logit === undefined) {
      throw new QkNormError(
        "ERR_GENERATION",
        `token ${id} was seen, but there are only ${logits.length} logits`,
      );
    }
    scores[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
  return scores;
}
