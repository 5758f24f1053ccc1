import { type ExpertFields, readExperts, readTopK, softmaxRouter } from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface OlmoeConfig extends DenseFields, ExpertFields {
  readonly attentionBias: boolean;
  /** q and k after their norms, and v, lie within this; null: they stay. */
  readonly clip: number | null;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseOlmoeConfig = configParser(
  "olmoe",
  { harmless: { "matters in training alone": ["router_aux_loss_coef"] }, refused: {} },
  (fields, warn): OlmoeConfig => {
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 4096, headDim: "unread" }, warn);
    const keys = { experts: ["num_experts", "num_local_experts"], width: "intermediate_size" };
    const moe = readExperts(fields, common, keys);
    return {
      ...common,
      attentionBias: fields.boolean("attention_bias", false),
      clip: fields.has("clip_qkv") ? fields.positiveNumber("clip_qkv") : null,
      sparse: Object.freeze(new Array<boolean>(common.layers).fill(true)),
      moe: {
        ...moe,
        router: softmaxRouter(readTopK(fields, moe.experts), fields.boolean("norm_topk_prob", false)),
      },
    };
  },
);
