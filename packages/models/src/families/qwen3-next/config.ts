import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type ExpertFields, readExperts, readTopK, softmaxRouter } from "../../checkpoint/expert-fields.ts";
import { configParser } from "../family.ts";
import { HYBRID_KEYS, type Qwen3HybridConfig, readHybridFields } from "../qwen3-5/config.ts";
import { readQwenSparse } from "../qwen3-moe/config.ts";

export interface Qwen3NextConfig extends Qwen3HybridConfig, ExpertFields {}

/** The experts, and the one that all tokens take. @throws ERR_CHECKPOINT that names the field */
export function readSharedExperts(
  fields: ConfigFields,
  common: Qwen3HybridConfig,
  weights: "normalized" | "as they are",
): ExpertFields["moe"] {
  const experts = readExperts(fields, common, { experts: ["num_experts", "num_local_experts"] });
  return {
    ...experts,
    sharedSize: fields.positiveInteger("shared_expert_intermediate_size", 512),
    router: softmaxRouter(readTopK(fields, experts.experts), weights === "normalized"),
  };
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseQwen3NextConfig = configParser(
  "qwen3_next",
  HYBRID_KEYS,
  (fields, warn): Qwen3NextConfig => {
    const common = readHybridFields(fields, { kvHeads: 2 }, warn);
    const weights = fields.boolean("norm_topk_prob", true) ? "normalized" : "as they are";
    return {
      ...common,
      sparse: readQwenSparse(fields, common.layers),
      moe: readSharedExperts(fields, common, weights),
    };
  },
);
