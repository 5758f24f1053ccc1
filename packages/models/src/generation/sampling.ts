import { QkNormError } from "@qknorm/core";
import { logitsProcessors } from "./logits-processors.ts";
import { createRandomSource, randomSeed } from "./random.ts";
import { SamplingFilter } from "./sampling-filter.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";

/**
 * Picks the next token of a sequence.
 *
 * @param logits [V], one per token id; not written to
 * @param seen ids so far, prompt included, in order; needed for a repetition penalty and the token rules
 * @throws ERR_GENERATION for logits that are empty, hold a NaN or +Infinity, or are all -Infinity
 */
export interface Sampler {
  (logits: Float32Array, seen?: Iterable<number>): number;
  /** It takes the largest logit, of equal ones the lowest id, whatever came before. */
  readonly isGreedy?: boolean;
}

/**
 * A sampler with its own random stream: one for each sequence, whose prompt are the ids of the first call. Without a temperature it takes the largest logit, of
 * equal ones the lowest id.
 *
 * @throws ERR_GENERATION for an option out of range
 */
export function createSampler(options: SamplingOptions = {}): Sampler {
  const sampling = resolveSampling(options);
  const filter = new SamplingFilter(sampling);
  const random = createRandomSource(sampling.seed ?? randomSeed());
  const processors = logitsProcessors(sampling);
  let promptTokens: number | null = null;
  const sample = (logits: Float32Array, seen?: Iterable<number>): number => {
    let scores = logits;
    if (processors.length > 0) {
      if (seen === undefined) throw new QkNormError("ERR_GENERATION", NEEDS_IDS);
      const ids = Array.isArray(seen) ? (seen as readonly number[]) : [...seen];
      promptTokens ??= ids.length;
      scores = logits.slice();
      for (const process of processors) process(scores, { ids, promptTokens });
    }
    const likeliest = argmax(scores);
    return sampling.temperature === 0 ? likeliest : filter.draw(scores, scores[likeliest]!, random.next());
  };
  return Object.assign(sample, { isGreedy: sampling.temperature === 0 && processors.length === 0 });
}

const NEEDS_IDS = "repetitionPenalty and the token rules need the ids so far: pass them with the logits";

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
