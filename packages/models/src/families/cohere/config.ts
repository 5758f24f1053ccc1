import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface CohereConfig extends DenseFields {
  readonly attentionBias: boolean;
  /** q and k are normalised (Command R+). */
  readonly usesQkNorm: boolean;
  /** Multiplies the logits. */
  readonly logitScale: number;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseCohereConfig = configParser(
  "cohere",
  { harmless: {}, refused: {} },
  (fields, warn): CohereConfig => {
    const defaults = { eps: 1e-5, epsKey: "layer_norm_eps", maxPositions: 8192, tied: true } as const;
    const rope = { defaultTheta: 5e5, layout: "interleaved", rounding: "once-rounded" } as const;
    return {
      ...readDenseFields(fields, { ...defaults, rope }, warn),
      attentionBias: fields.boolean("attention_bias", false),
      usesQkNorm: fields.boolean("use_qk_norm", false),
      logitScale: fields.number("logit_scale", 0.0625),
    };
  },
);
