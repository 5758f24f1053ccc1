import { createSampler, type GenerationConfig, type Sampler } from "@qknorm/models";
import type { Options } from "../options.ts";

/** The command line wins over generation_config.json; an unsampled model stays greedy unless it is asked to draw. */
export function samplerFor(options: Options, generation: GenerationConfig): Sampler {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = options;
  const drawn = generation.doSample || [topK, topP, minP].some((option) => option !== undefined);
  return createSampler({
    temperature: temperature ?? (drawn ? (generation.temperature ?? 1) : 0),
    topK: topK ?? generation.topK ?? undefined,
    topP: topP ?? generation.topP ?? undefined,
    minP: minP ?? generation.minP ?? undefined,
    repetitionPenalty: repetitionPenalty ?? generation.repetitionPenalty ?? undefined,
    seed,
  });
}
