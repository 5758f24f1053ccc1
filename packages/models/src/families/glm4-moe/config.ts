import {
  type ExpertFields,
  readExperts,
  readSigmoidRouter,
  readSparseFrom,
} from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Glm4MoeConfig extends DenseFields, ExpertFields {
  readonly useQkNorm: boolean;
  /** q, k and v projections have a bias; the output has none. */
  readonly attentionBias: boolean;
  /** Layers behind the last one, for the prediction of several tokens, which are not read. */
  readonly predictingLayers: number;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseGlm4MoeConfig = configParser(
  "glm4_moe",
  { harmless: {}, refused: {} },
  (fields, warn): Glm4MoeConfig => {
    const defaults = { eps: 1e-5, maxPositions: 131_072, kvHeads: 8, rope: { defaultShare: 0.5 } };
    const common = readDenseFields(fields, defaults, warn);
    const keys = { experts: ["n_routed_experts", "num_local_experts"], shared: "n_shared_experts" };
    const moe = readExperts(fields, common, keys);
    const normalized = fields.boolean("norm_topk_prob", true);
    const renamed = fields.nonNegativeInteger("num_mtp_layers", 1);
    return {
      ...common,
      useQkNorm: fields.boolean("use_qk_norm", false),
      attentionBias: fields.boolean("attention_bias", false),
      sparse: readSparseFrom(fields, common.layers, 1),
      moe: { ...moe, router: readSigmoidRouter(fields, moe.experts, { normalized }) },
      predictingLayers: fields.nonNegativeInteger("num_nextn_predict_layers", renamed),
    };
  },
);
