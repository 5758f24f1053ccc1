import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface PersimmonConfig extends DenseFields {
  readonly usesQkNorm: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parsePersimmonConfig = configParser(
  "persimmon",
  { harmless: {}, refused: {} },
  (fields, warn): PersimmonConfig => {
    const defaults = {
      eps: 1e-5,
      epsKey: "layer_norm_eps",
      maxPositions: 16384,
      activation: "relu2",
    } as const;
    const shape = { headDim: "unread", rope: { defaultShare: 0.5, pairs: "whole" } } as const;
    const common = readDenseFields(fields, { ...defaults, ...shape }, warn);
    if (common.kvHeads !== common.queryHeads)
      fields.fail("num_key_value_heads", `is ${common.kvHeads}; this family has one for each query head`);
    return { ...common, usesQkNorm: fields.boolean("qk_layernorm", true) };
  },
);
