import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import { type ExpertFields, readExperts, readSparseFrom, readTopK } from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface AfmoeConfig extends DenseFields, ExpertFields {
  readonly kinds: readonly AttentionKind[];
  /** How many tokens the queries of sliding layers see, themselves included; null where no layer slides. */
  readonly window: number | null;
  readonly attentionBias: boolean;
  /** The embedding is multiplied by the root of its width. */
  readonly scalesEmbedding: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseAfmoeConfig = configParser(
  "afmoe",
  {
    harmless: { "matters in training alone": ["load_balance_coeff", "use_grouped_mm"] },
    refused: {
      score_func: { asks: "another score than the sigmoid", off: "sigmoid" },
      route_norm: { asks: "weights that are not normalised", off: true },
      n_group: { asks: "experts in groups", off: 1 },
      topk_group: { asks: "experts in groups", off: 1 },
      num_expert_groups: { asks: "experts in groups", off: 1 },
      num_limited_groups: { asks: "experts in groups", off: 1 },
    },
  },
  (fields, warn): AfmoeConfig => {
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 16384, headDim: 128 }, warn);
    const pattern = fields.positiveInteger("global_attn_every_n_layers", 4);
    const kinds = readLayerKinds(fields, common.layers, fullEvery(pattern));
    const moe = readExperts(fields, common, { experts: ["num_experts"], shared: "num_shared_experts" });
    return {
      ...common,
      kinds,
      window: readWindow(fields, kinds, 1024),
      attentionBias: fields.boolean("attention_bias", false),
      scalesEmbedding: fields.boolean("mup_enabled", false),
      sparse: readSparseFrom(fields, common.layers, 1, "num_dense_layers"),
      moe: {
        ...moe,
        router: {
          ...{
            score: "sigmoid",
            topK: readTopK(fields, moe.experts),
            groups: null,
            normalize: { eps: 1e-20 },
          },
          factor: fields.number("route_scale", 1),
          ...{ gate: "model", bias: "f32", weights: "f32" },
        },
      },
    };
  },
);
