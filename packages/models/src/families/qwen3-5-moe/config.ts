import type { ExpertFields } from "../../checkpoint/expert-fields.ts";
import { configParser } from "../family.ts";
import { HYBRID_KEYS, type Qwen3HybridConfig, readHybridFields } from "../qwen3-5/config.ts";
import { readSharedExperts } from "../qwen3-next/config.ts";

export interface Qwen35MoeConfig extends Qwen3HybridConfig, ExpertFields {}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseQwen35MoeConfig = configParser(
  "qwen3_5_moe_text",
  {
    harmless: {
      ...HYBRID_KEYS.harmless,
      "is of dense layers, which there are none of": ["intermediate_size"],
    },
    refused: {
      ...HYBRID_KEYS.refused,
      norm_topk_prob: { asks: "weights of experts that do not sum up to 1", off: true },
      mlp_only_layers: { asks: "dense layers" },
      decoder_sparse_step: { asks: "dense layers", off: 1 },
    },
  },
  (fields, warn): Qwen35MoeConfig => {
    const intermediateSize = fields.positiveInteger("moe_intermediate_size");
    const common = readHybridFields(fields, { kvHeads: 2, intermediateSize }, warn);
    return {
      ...common,
      sparse: Object.freeze(new Array<boolean>(common.layers).fill(true)),
      moe: readSharedExperts(fields, common, "normalized"),
    };
  },
);
