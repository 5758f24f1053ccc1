import { readKinds } from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export type Lfm2Kind = "full_attention" | "conv";

export interface Lfm2Config extends DenseFields {
  readonly kinds: readonly Lfm2Kind[];
  /** L: how many tokens a convolution spans. */
  readonly convTaps: number;
  readonly convBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLfm2Config = configParser(
  "lfm2",
  {
    harmless: {
      "is a note of the trainer that transformers does not read": [
        "block_dim",
        "block_mlp_init_scale",
        "block_norm_eps",
        "block_out_init_scale",
        "block_use_swiglu",
        "block_use_xavier_init",
        "conv_dim",
        "conv_dim_out",
        "conv_use_xavier_init",
        "num_heads",
        "theta",
        "use_pos_enc",
      ],
    },
    refused: {},
  },
  (fields, warn): Lfm2Config => {
    const common = readDenseFields(
      fields,
      {
        eps: 1e-5,
        epsKey: "norm_eps",
        maxPositions: 128_000,
        kvHeads: 8,
        tied: true,
        activation: null,
        intermediateSize: readWidth(fields),
        rope: { defaultTheta: 1e6 },
      },
      warn,
    );
    return {
      ...common,
      // The older name wins, as in transformers.
      tieWordEmbeddings: fields.boolean("tie_embedding", common.tieWordEmbeddings),
      kinds: readLfm2Kinds(fields, common.layers),
      convTaps: fields.positiveInteger("conv_L_cache", 3),
      convBias: fields.boolean("conv_bias", false),
    };
  },
);

/** The width of an MLP: two thirds of what is written, stretched and rounded up, unless that is switched off. */
function readWidth(fields: ConfigFields): number {
  const key = fields.has("block_ff_dim") ? "block_ff_dim" : "intermediate_size";
  fields.value("intermediate_size");
  const written = fields.positiveInteger(key);
  const adjusts = fields.boolean("block_auto_adjust_ff_dim", true);
  const multiple = fields.positiveInteger("block_multiple_of", 256);
  // Null leaves the two thirds as they are; absent is 1, which rounds them up.
  const stretches = fields.raw.block_ffn_dim_multiplier !== null;
  const factor = fields.positiveNumber("block_ffn_dim_multiplier", 1);
  if (!adjusts) return written;
  const narrowed = Math.floor((2 * written) / 3);
  const width = stretches ? multiple * Math.ceil(Math.floor(factor * narrowed) / multiple) : narrowed;
  return width > 0 ? width : fields.fail(key, `is ${written}, of which two thirds are no width`);
}

const KINDS = { full_attention: "full_attention", attention: "full_attention", conv: "conv" } as const;

function readLfm2Kinds(fields: ConfigFields, layers: number): readonly Lfm2Kind[] {
  const full = fields.value("full_attn_idxs");
  if (full !== undefined && !(Array.isArray(full) && full.every(Number.isSafeInteger))) {
    fields.fail("full_attn_idxs", `must be a list of layers, got ${shown(full)}`);
  }
  const isFull = (layer: number): boolean => full === undefined || (full as number[]).includes(layer);
  return readKinds<Lfm2Kind>(fields, layers, KINDS, (layer) => (isFull(layer) ? "full_attention" : "conv"));
}
