import { type BlockSizes, blockParser, readBlockSizes } from "../attention-block.ts";

export interface FluxAttentionConfig extends BlockSizes {
  readonly bias: boolean;
  readonly outBias: boolean;
  /** The norms of the image's q and k have weights. */
  readonly normWeights: boolean;
  /** The text's width; null for a single block. */
  readonly contextWidth: number | null;
  readonly contextBias: boolean;
  /** Without the projection after the attention. */
  readonly preOnly: boolean;
}

/** Reads the arguments of diffusers' `FluxAttention`. @throws ERR_CHECKPOINT that names a key */
export const parseFluxAttentionConfig = blockParser(
  "FluxAttention",
  {
    harmless: {
      "matters in training alone": ["dropout"],
      "is stored by diffusers and not looked at": ["context_pre_only"],
    },
    refused: {},
  },
  (fields): FluxAttentionConfig => {
    const added = fields.has("added_kv_proj_dim");
    const preOnly = fields.boolean("pre_only", false);
    if (added && preOnly) fields.fail("pre_only", "is true, but a block of two streams projects its output");
    // diffusers' processor then leaves the projection out, which its module has all the same.
    if (!added && !preOnly) fields.fail("pre_only", "must be true for a block of one stream");
    return {
      ...readBlockSizes(fields),
      bias: fields.boolean("bias", false),
      outBias: fields.boolean("out_bias", true),
      normWeights: fields.boolean("elementwise_affine", true),
      contextWidth: added ? fields.positiveInteger("added_kv_proj_dim") : null,
      // In Python None is no bias, and absent is one.
      contextBias: fields.raw.added_proj_bias !== null && fields.boolean("added_proj_bias", true),
      preOnly,
    };
  },
);
