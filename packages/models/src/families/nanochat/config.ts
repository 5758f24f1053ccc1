import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface NanochatConfig extends DenseFields {
  readonly attentionBias: boolean;
  readonly logitSoftCap: number | null;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseNanochatConfig = configParser(
  "nanochat",
  { harmless: {}, refused: {} },
  (fields, warn): NanochatConfig => {
    const rope = { direction: -1 } as const;
    const capped = fields.raw.final_logit_softcapping !== null;
    return {
      ...readDenseFields(fields, { eps: 1e-6, maxPositions: 2048, activation: "relu2", rope }, warn),
      attentionBias: fields.boolean("attention_bias", false),
      logitSoftCap: capped ? fields.positiveNumber("final_logit_softcapping", 15) : null,
    };
  },
);
