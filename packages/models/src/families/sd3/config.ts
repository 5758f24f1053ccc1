import { type BlockSizes, blockParser, readBlockSizes } from "../attention-block.ts";

/** `none` in SD3, `rms_norm` in SD3.5. */
export type Sd3Norm = "none" | "rms_norm" | "layer_norm" | "fp32_layer_norm";

export interface Sd3AttentionConfig extends BlockSizes {
  readonly bias: boolean;
  readonly outBias: boolean;
  readonly norm: Sd3Norm;
  /** The norms of the image's q and k have weights. */
  readonly normWeights: boolean;
  /** Null for a block of the image alone. */
  readonly context: {
    readonly width: number;
    readonly bias: boolean;
    /** Null where the mixed values leave as they are. */
    readonly outWidth: number | null;
  } | null;
}

/** Reads the arguments of diffusers' `Attention`, as its joint processor takes them. @throws ERR_CHECKPOINT that names a key */
export const parseSd3AttentionConfig = blockParser(
  "Attention",
  {
    harmless: {
      "matters in training alone": ["dropout"],
      "is not looked at by the joint processor": [
        "upcast_attention",
        "upcast_softmax",
        "scale_qk",
        "rescale_output_factor",
        "residual_connection",
        "cross_attention_norm_num_groups",
        "_from_deprecated_attn_block",
        "is_causal",
      ],
    },
    refused: {
      cross_attention_norm: { asks: "a norm of the context" },
      norm_num_groups: { asks: "a norm of the image" },
      spatial_norm_dim: { asks: "a spatial norm" },
      only_cross_attention: { asks: "attention to the context alone", off: false },
      pre_only: { asks: "no projection of the output, which the joint processor needs", off: false },
    },
  },
  (fields): Sd3AttentionConfig => {
    const sizes = readBlockSizes(fields);
    const { heads, width } = sizes;
    if (fields.positiveInteger("kv_heads", heads) !== heads)
      fields.fail("kv_heads", `must be heads, ${heads}`);
    if (fields.positiveInteger("cross_attention_dim", width) !== width) {
      fields.fail("cross_attention_dim", `must be query_dim, ${width}: k and v come from the image`);
    }
    return {
      ...sizes,
      bias: fields.boolean("bias", false),
      outBias: fields.boolean("out_bias", true),
      norm: fields.oneOf<Sd3Norm>("qk_norm", ["none", "rms_norm", "layer_norm", "fp32_layer_norm"], "none"),
      normWeights: fields.boolean("elementwise_affine", true),
      context: readContext(fields, width),
    };
  },
);

function readContext(
  fields: Parameters<typeof readBlockSizes>[0],
  width: number,
): Sd3AttentionConfig["context"] {
  const outWidth = fields.positiveInteger("out_context_dim", width);
  const bias = fields.raw.added_proj_bias !== null && fields.boolean("added_proj_bias", true);
  const projects = fields.has("context_pre_only") && !fields.boolean("context_pre_only");
  if (!fields.has("added_kv_proj_dim")) {
    if (projects) fields.fail("context_pre_only", "is false, but added_kv_proj_dim asks for no context");
    return null;
  }
  if (!fields.has("context_pre_only")) {
    fields.fail("context_pre_only", "must be true or false where added_kv_proj_dim asks for a context");
  }
  return { width: fields.positiveInteger("added_kv_proj_dim"), bias, outWidth: projects ? outWidth : null };
}
