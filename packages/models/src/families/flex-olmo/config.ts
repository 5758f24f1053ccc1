import { type ExpertFields, readExperts, readTopK, softmaxRouter } from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface FlexOlmoConfig extends DenseFields, ExpertFields {
  readonly attentionBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseFlexOlmoConfig = configParser(
  "flex_olmo",
  { harmless: { "matters in training alone": ["router_aux_loss_coef"] }, refused: {} },
  (fields, warn): FlexOlmoConfig => {
    const rope = { defaultTheta: 5e5, rounding: "once" } as const;
    const common = readDenseFields(fields, { eps: 1e-6, maxPositions: 4096, rope }, warn);
    const keys = { experts: ["num_experts", "num_local_experts"], width: "intermediate_size" };
    const moe = readExperts(fields, common, keys);
    const normalized = fields.boolean("norm_topk_prob", false);
    return {
      ...common,
      attentionBias: fields.boolean("attention_bias", false),
      sparse: Object.freeze(new Array<boolean>(common.layers).fill(true)),
      moe: { ...moe, router: softmaxRouter(readTopK(fields, moe.experts), normalized) },
    };
  },
);
