import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface StableLmConfig extends DenseFields {
  readonly qkvBias: boolean;
  readonly usesQkNorm: boolean;
  /** Attention and MLP read one norm of the layer's input. */
  readonly parallel: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseStableLmConfig = configParser(
  "stablelm",
  { harmless: {}, refused: {} },
  (fields, warn): StableLmConfig => {
    const defaults = { eps: 1e-5, epsKey: "layer_norm_eps", maxPositions: 4096, kvHeads: 32 } as const;
    const shape = { headDim: "unread", rope: { defaultShare: 0.25, pairs: "whole" } } as const;
    return {
      ...readDenseFields(fields, { ...defaults, ...shape }, warn),
      qkvBias: fields.boolean("use_qkv_bias", false),
      usesQkNorm: fields.boolean("qk_layernorm", false),
      parallel: fields.boolean("use_parallel_residual", false),
    };
  },
);
