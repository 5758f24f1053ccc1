import { readActivation } from "../../checkpoint/decoder-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface ApertusConfig extends DenseFields {
  readonly attentionBias: boolean;
  /** The MLP's activation has parameters in the checkpoint. */
  readonly xielu: boolean;
}

/** What transformers takes for a file without RoPE parameters. */
const ROPE = {
  rope_type: "llama3",
  rope_theta: 12e6,
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
};

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseApertusConfig = configParser(
  "apertus",
  {
    harmless: {},
    refused: {
      qk_norm: { asks: "attention without QK norm", off: true },
      post_norm: { asks: "norms after attention and MLP", off: false },
      mlp_bias: { asks: "biases in the MLP", off: false },
    },
  },
  (fields, warn): ApertusConfig => {
    const xielu = fields.string("hidden_act", "xielu") === "xielu";
    const rope = { defaultTheta: 12e6, absent: ROPE };
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 65536, activation: null, rope }, warn);
    return {
      ...common,
      activation: xielu ? "silu" : readActivation(fields, "hidden_act", "xielu"),
      attentionBias: fields.boolean("attention_bias", false),
      xielu,
    };
  },
);
