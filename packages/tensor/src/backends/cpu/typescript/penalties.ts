const { fround } = Math;

/** What makes tokens less likely that were there before; numbers are f32. */
export interface TokenPenalties {
  /** Of prompt and answer: what positive logits are divided by and negative ones multiplied with; 1 is off. */
  readonly repetitionPenalty: number;
  /** Of the answer: taken off once, and as often as the token was drawn; 0 is off. */
  readonly presencePenalty: number;
  readonly frequencyPenalty: number;
}

/** The logit, f32, of a token that was `drawn` so often, and stands there or in the prompt: kernels/sample.cu. */
export function penalized(logit: number, drawn: number, penalties: TokenPenalties): number {
  const { repetitionPenalty, presencePenalty, frequencyPenalty } = penalties;
  const repeated = fround(logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty);
  if (drawn === 0) return repeated;
  return fround(repeated - fround(presencePenalty + fround(frequencyPenalty * drawn)));
}
