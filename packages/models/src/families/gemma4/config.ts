import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type DecoderFields, readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import { type LayerHeads, readLayerHeads } from "../../checkpoint/layer-heads.ts";
import type { ExpertsBesideSpec } from "../../layers/experts-beside.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, type RopeReading, readRope } from "../family.ts";

export interface Gemma4Config extends DecoderFields {
  readonly perLayer: readonly LayerHeads[];
  /** By the kind of a layer. */
  readonly ropes: Readonly<Record<AttentionKind, RopeSpec>>;
  readonly window: number | null;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
  /** Full layers have no v_proj. */
  readonly keysAreValues: boolean;
  /** Layers without keys of their own have an MLP of twice the width. */
  readonly doubleWide: boolean;
  readonly logitSoftCap: number | null;
  /** Beside each MLP. */
  readonly experts: Pick<ExpertsBesideSpec, "experts" | "topK" | "intermediateSize"> | null;
  /** P, and the tokens of its embedding; null without. */
  readonly layerInputs: { readonly width: number; readonly vocabSize: number } | null;
}

const ROPES = {
  full_attention: { rope_type: "proportional", partial_rotary_factor: 0.25, rope_theta: 1e6 },
  sliding_attention: { rope_type: "default", rope_theta: 1e4 },
};

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseGemma4Config = configParser(
  "gemma4_text",
  {
    harmless: { "is read with enable_moe_block": ["num_experts", "top_k_experts", "moe_intermediate_size"] },
    refused: { use_bidirectional_attention: { asks: "attention to later tokens" } },
  },
  (fields, warn): Gemma4Config => {
    const defaults = { eps: 1e-6, maxPositions: 131_072, kvHeads: 4, headDim: 256, tied: true };
    const activation = { activation: "gelu_pytorch_tanh", activationKey: "hidden_activation" };
    const common = readDecoderFields(fields, { ...defaults, ...activation }, warn);
    const kinds = [...readLayerKinds(fields, common.layers, fullEvery(6))];
    if (kinds[common.layers - 1] !== "full_attention")
      warn("config.json: the last of layer_types is made full_attention, as transformers makes it");
    kinds[common.layers - 1] = "full_attention";
    const keysAreValues = fields.boolean("attention_k_eq_v", false);
    const perLayer = readLayerHeads(fields, { ...common, kinds, ownGlobalHeads: keysAreValues });
    const ropeOf = (layerType: AttentionKind, context: RopeReading = {}): RopeSpec => {
      const headDim = perLayer.find(({ kind }) => kind === layerType)?.headDim ?? common.headDim;
      const setting = { layerType, absent: ROPES[layerType], older: "ignored" } as const;
      return readRope(fields, { ...common, headDim }, { ...setting, ...context });
    };
    const full = ropeOf("full_attention");
    const { maxPositions } = full;
    const ropes = {
      full_attention: full,
      sliding_attention: ropeOf("sliding_attention", { maxPositions }),
    };
    const width = fields.nonNegativeInteger("hidden_size_per_layer_input", 256);
    const vocabSize = fields.positiveInteger("vocab_size_per_layer_input", 262_144);
    // Of text alone it asks for nothing.
    if (fields.raw.use_bidirectional_attention === "vision") fields.value("use_bidirectional_attention");
    const capped = fields.has("final_logit_softcapping");
    return {
      ...common,
      perLayer,
      ropes,
      window: readWindow(fields, kinds, 512),
      maxPositions,
      attentionBias: fields.boolean("attention_bias", false),
      keysAreValues,
      doubleWide: fields.boolean("use_double_wide_mlp", false),
      logitSoftCap: capped ? fields.positiveNumber("final_logit_softcapping") : null,
      experts: readExperts(fields),
      layerInputs: width === 0 ? null : { width, vocabSize },
    };
  },
);

function readExperts(fields: ConfigFields): Gemma4Config["experts"] {
  if (!fields.boolean("enable_moe_block", false)) return null;
  const experts = fields.positiveInteger("num_experts");
  const topK = fields.positiveInteger("top_k_experts");
  if (topK > experts) fields.fail("top_k_experts", `is ${topK}, more than the ${experts} experts`);
  return Object.freeze({ experts, topK, intermediateSize: fields.positiveInteger("moe_intermediate_size") });
}
