import { type ExpertFields, readExperts, readMlpTypes, readTopK } from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface HyV3Config extends DenseFields, ExpertFields {
  readonly attentionBias: boolean;
  /** Of dense and shared MLPs. */
  readonly mlpBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseHyV3Config = configParser(
  "hy_v3",
  {
    harmless: {
      "adds two rounded numbers and rounds, with it or without": ["enable_moe_fp32_combine"],
      "speaks of a layer that predicts several tokens, which is not read": ["num_nextn_predict_layers"],
    },
    refused: { qk_norm: { asks: "attention without QK norm", off: true } },
  },
  (fields, warn): HyV3Config => {
    const defaults = {
      eps: 1e-5,
      maxPositions: 131_072,
      kvHeads: 8,
      headDim: 128,
      rope: { defaultTheta: 11_158_840 },
    };
    const common = readDenseFields(fields, defaults, warn);
    const keys = { experts: ["num_experts", "num_local_experts"], shared: "num_shared_experts" };
    const moe = readExperts(fields, common, keys);
    const mlpBias = fields.boolean("mlp_bias", false);
    const allButFirst = Array.from({ length: common.layers }, (_, layer) => layer > 0);
    return {
      ...common,
      attentionBias: fields.boolean("attention_bias", false),
      mlpBias,
      sparse: readMlpTypes(fields, common.layers, () => allButFirst),
      moe: {
        ...moe,
        sharedBias: mlpBias,
        router: {
          ...{
            score: "sigmoid",
            topK: readTopK(fields, moe.experts),
            groups: null,
            normalize: { eps: 1e-20 },
          },
          factor: fields.number("router_scaling_factor", 2.826),
          ...{ gate: "f32", bias: "f32", weights: "f32" },
        },
      },
    };
  },
);
