import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface HunyuanV1DenseConfig extends DenseFields {
  readonly attentionBias: boolean;
}

/** Keys that published Hunyuan files have and no class reads. */
export const HUNYUAN_KEYS = {
  harmless: {
    "is not read beside alpha": ["beta_fast", "beta_slow", "factor", "mscale", "mscale_all_dim"].flatMap(
      (key) => [`rope_scaling.${key}`, `rope_parameters.${key}`],
    ),
    "is a token id that no forward pass looks at": ["eod_token_id"],
  },
  refused: { use_qk_norm: { asks: "attention without QK norm", off: true } },
};

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseHunyuanV1DenseConfig = configParser(
  "hunyuan_v1_dense",
  HUNYUAN_KEYS,
  (fields, warn): HunyuanV1DenseConfig => ({
    ...readDenseFields(fields, { eps: 1e-5, maxPositions: 2048, rope: { alpha: true } }, warn),
    attentionBias: fields.boolean("attention_bias", false),
  }),
);
