import { createSampler, type GenerationConfig, type Sampler } from "@qknorm/models";
import type { Options } from "../options.ts";

/**
 * The command line wins over generation_config.json; an unsampled model stays greedy unless it is asked to draw.
 *
 * @param maxLength of the whole text, in tokens
 */
export function samplerFor(options: Options, generation: GenerationConfig, maxLength: number): Sampler {
  const { temperature, topK, topP, minP, typicalP, epsilonCutoff, etaCutoff, seed } = options;
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = options;
  const cuts = { topK, topP, minP, typicalP, epsilonCutoff, etaCutoff };
  const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty };
  return createSampler(generation.sampling({ temperature, ...cuts, ...penalties, seed }, maxLength));
}
