import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface PhiConfig extends DenseFields {
  readonly usesQkNorm: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parsePhiConfig = configParser(
  "phi",
  { harmless: {}, refused: {} },
  (fields, warn): PhiConfig => {
    const defaults = {
      eps: 1e-5,
      epsKey: "layer_norm_eps",
      maxPositions: 2048,
      activation: "gelu_new",
    } as const;
    return {
      ...readDenseFields(fields, { ...defaults, rope: { defaultShare: 0.5, pairs: "whole" } }, warn),
      usesQkNorm: fields.boolean("qk_layernorm", false),
    };
  },
);
