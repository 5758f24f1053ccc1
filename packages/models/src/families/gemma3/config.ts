import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import { type DecoderFields, readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, readRope } from "../family.ts";

export interface Gemma3Config extends DecoderFields {
  readonly kinds: readonly AttentionKind[];
  /** By the kind of a layer. */
  readonly ropes: Readonly<Record<AttentionKind, RopeSpec>>;
  /** How many tokens the queries of sliding layers see, themselves included; null where no layer slides. */
  readonly window: number | null;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
  /** The scores are divided by its root. */
  readonly queryPreAttnScalar: number;
  readonly logitSoftCap: number | null;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseGemma3Config = configParser(
  "gemma3_text",
  {
    harmless: {
      "has no effect in transformers, whose attention does not take it": ["attn_logit_softcapping"],
      "is a note beside sliding_window_pattern": ["_sliding_window_pattern"],
    },
    refused: { use_bidirectional_attention: { asks: "attention to later tokens", off: false } },
  },
  (fields, warn): Gemma3Config => {
    const defaults = { eps: 1e-6, maxPositions: 131_072, kvHeads: 4, headDim: 256, tied: true };
    const activation = { activation: "gelu_pytorch_tanh", activationKey: "hidden_activation" };
    const common = readDecoderFields(fields, { ...defaults, ...activation }, warn);
    const full = readRope(fields, common, { layerType: "full_attention", defaultTheta: 1e6 });
    const { maxPositions } = full;
    const ropes = {
      full_attention: full,
      sliding_attention: readRope(fields, common, {
        layerType: "sliding_attention",
        maxPositions,
        defaultTheta: 1e4,
        thetaKey: "rope_local_base_freq",
        older: "unscaled",
      }),
    };
    const pattern = fields.positiveInteger("sliding_window_pattern", 6);
    const kinds = readLayerKinds(fields, common.layers, fullEvery(pattern));
    const capped = fields.has("final_logit_softcapping");
    return {
      ...common,
      kinds,
      ropes,
      window: readWindow(fields, kinds, 4096),
      maxPositions,
      attentionBias: fields.boolean("attention_bias", false),
      queryPreAttnScalar: fields.positiveNumber("query_pre_attn_scalar", 256),
      logitSoftCap: capped ? fields.positiveNumber("final_logit_softcapping") : null,
    };
  },
);
