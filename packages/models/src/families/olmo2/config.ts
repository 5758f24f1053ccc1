import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Olmo2Config extends DenseFields {
  readonly attentionBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseOlmo2Config = configParser(
  "olmo2",
  { harmless: {}, refused: {} },
  (fields, warn): Olmo2Config => ({
    ...readDenseFields(fields, { eps: 1e-5, maxPositions: 2048, rope: { rounding: "once" } }, warn),
    attentionBias: fields.boolean("attention_bias", false),
  }),
);
