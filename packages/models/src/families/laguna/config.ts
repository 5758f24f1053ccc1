import { type AttentionKind, readLayerKinds, readWindow } from "../../checkpoint/attention-windows.ts";
import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type DecoderFields, readDecoderFields, readHeadsPerLayer } from "../../checkpoint/decoder-fields.ts";
import { type ExpertFields, readExperts, readMlpTypes, readTopK } from "../../checkpoint/expert-fields.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, type RopeReading, readRope } from "../family.ts";

export interface LagunaConfig extends DecoderFields, ExpertFields {
  readonly kinds: readonly AttentionKind[];
  /** By the kind of a layer; a kind that no layer is of has that of the other. */
  readonly ropes: Readonly<Record<AttentionKind, RopeSpec>>;
  readonly window: number | null;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
  /** Of each layer: its query heads. */
  readonly headsOf: readonly number[];
  /** What one value of the attention's gate multiplies. */
  readonly gate: "head" | "value";
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLagunaConfig = configParser(
  "laguna",
  {
    harmless: { "matters in training alone": ["router_aux_loss_coef"] },
    refused: {
      moe_apply_router_weight_on_input: { asks: "weights on the experts' input", off: false },
      partial_rotary_factor: { asks: "one share for all kinds of layers; it stands in rope_parameters" },
    },
  },
  (fields, warn): LagunaConfig => {
    const defaults = { eps: 1e-6, maxPositions: 131_072, kvHeads: 8, headDim: 128 };
    const common = readDecoderFields(fields, defaults, warn);
    const kinds = readLayerKinds(fields, common.layers, () => "full_attention");
    const ropes = readRopes(fields, common, kinds);
    const moe = readExperts(fields, common, { experts: ["num_experts"] });
    const cap = fields.number("moe_router_logit_softcapping", 0);
    const allButFirst = Array.from({ length: common.layers }, (_, layer) => layer > 0);
    const gating = fields.value("gating") ?? true;
    return {
      ...common,
      kinds,
      ropes,
      window: readWindow(fields, kinds, 512),
      maxPositions: ropes.full_attention.maxPositions,
      attentionBias: fields.boolean("attention_bias", false),
      headsOf: readHeadsPerLayer(fields, common),
      gate: gating === true || gating === "per-head" ? "head" : "value",
      sparse: readMlpTypes(fields, common.layers, () => allButFirst),
      moe: {
        ...moe,
        sharedSize: fields.positiveInteger("shared_expert_intermediate_size", 512),
        routedScale: fields.number("moe_routed_scaling_factor", 1),
        router: {
          ...{ score: "sigmoid", topK: readTopK(fields, moe.experts), groups: null, normalize: { eps: 0 } },
          ...{ factor: 1, gate: "model", bias: "model", weights: "model", softCap: Math.max(cap, 0) },
        },
      },
    };
  },
);

function readRopes(
  fields: ConfigFields,
  common: DecoderFields,
  kinds: LagunaConfig["kinds"],
): LagunaConfig["ropes"] {
  const written = fields.has("rope_parameters");
  const read = (layerType: AttentionKind, theta: number, share: number, context: RopeReading = {}) =>
    readRope(fields, common, {
      ...context,
      ...{ layerType, defaultTheta: theta, defaultShare: written ? 1 : share },
    });
  const full = kinds.includes("full_attention") ? read("full_attention", 5e5, 0.5) : null;
  const context = full === null ? {} : { maxPositions: full.maxPositions };
  const sliding = kinds.includes("sliding_attention") ? read("sliding_attention", 1e4, 1, context) : null;
  const either = (full ?? sliding) as RopeSpec;
  return { full_attention: full ?? either, sliding_attention: sliding ?? either };
}
