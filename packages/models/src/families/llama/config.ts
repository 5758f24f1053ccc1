import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface LlamaConfig extends DenseFields {
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLlamaConfig = configParser(
  "llama",
  { harmless: {}, refused: {} },
  (fields, warn): LlamaConfig => ({
    ...readDenseFields(fields, { eps: 1e-6, maxPositions: 2048 }, warn),
    attentionBias: fields.boolean("attention_bias", false),
    mlpBias: fields.boolean("mlp_bias", false),
  }),
);
