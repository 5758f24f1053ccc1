import { blockParser } from "../attention-block.ts";

export interface WanAttentionConfig {
  /** C. */
  readonly width: number;
  readonly heads: number;
  readonly headDim: number;
  readonly eps: number;
  /** The width of a context that begins with tokens of an image; null for none. */
  readonly imageWidth: number | null;
}

/** Reads the arguments of diffusers' `WanAttention`. @throws ERR_CHECKPOINT that names a key */
export const parseWanAttentionConfig = blockParser(
  "WanAttention",
  {
    harmless: {
      "matters in training alone": ["dropout"],
      "picks one of several ways to the same result": ["is_cross_attention"],
    },
    refused: {},
  },
  (fields): WanAttentionConfig => {
    const headDim = fields.positiveInteger("dim_head", 64);
    if (headDim % 2 !== 0) fields.fail("dim_head", `is ${headDim}; it must be even`);
    if (fields.positiveInteger("cross_attention_dim_head", headDim) !== headDim) {
      fields.fail("cross_attention_dim_head", `must be dim_head, ${headDim}, for which k has its norm`);
    }
    const added = fields.has("added_kv_proj_dim");
    return {
      width: fields.positiveInteger("dim"),
      heads: fields.positiveInteger("heads", 8),
      headDim,
      eps: fields.positiveNumber("eps", 1e-5),
      imageWidth: added ? fields.positiveInteger("added_kv_proj_dim") : null,
    };
  },
);
