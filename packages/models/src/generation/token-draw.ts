import type { TokenCuts, TokenPenalties } from "@qknorm/tensor";
import { randomSeed } from "./random.ts";
import type { Sampling } from "./sampling-options.ts";

/** How a token is drawn where nobody has to be asked, as on a device; numbers are f32. A temperature of 0 takes the largest logit. */
export interface TokenDraw extends TokenCuts, TokenPenalties {
  /** The lower and the upper 32 bits. */
  readonly seed: readonly [low: number, high: number];
}

const MOST_I32 = 2 ** 31 - 1;
const LEAST_NORMAL_F32 = 2 ** -126;

/** The draw that options ask for, with a seed of its own where they leave it to chance. */
export function tokenDrawOf(sampling: Sampling): TokenDraw {
  const { fround } = Math;
  const seed = sampling.seed ?? randomSeed();
  const minP = fround(sampling.minP);
  return {
    temperature: fround(sampling.temperature),
    topK: Math.min(sampling.topK, MOST_I32),
    topP: fround(sampling.topP),
    // Nothing less likely is ever drawn.
    minP: minP < LEAST_NORMAL_F32 ? 0 : minP,
    repetitionPenalty: fround(sampling.repetitionPenalty),
    presencePenalty: fround(sampling.presencePenalty),
    frequencyPenalty: fround(sampling.frequencyPenalty),
    seed: [seed | 0, Math.floor(seed / 2 ** 32)],
  };
}

/** The most likely token, whatever came before. */
export const LIKELIEST: TokenDraw = {
  ...{ temperature: 0, topK: 0, topP: 1, minP: 0 },
  ...{ repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0, seed: [0, 0] },
};

/** Whether it matters what came before. */
export function penalizes({ repetitionPenalty, presencePenalty, frequencyPenalty }: TokenDraw): boolean {
  return repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0;
}
