import {
  type ExpertFields,
  readExperts,
  readMlpTypes,
  readSigmoidRouter,
  readSparseFrom,
} from "../../checkpoint/expert-fields.ts";
import { type Exaone4Config, readExaoneWindows } from "../exaone4/config.ts";
import { configParser, readDenseFields } from "../family.ts";

export interface ExaoneMoeConfig extends Exaone4Config, ExpertFields {}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseExaoneMoeConfig = configParser(
  "exaone_moe",
  {
    harmless: {
      "speaks of layers that predict several tokens, which are not read": [
        "mtp_loss_scaling_factor",
        "mtp_share_layers",
        "num_nextn_predict_layers",
      ],
    },
    refused: { scoring_func: { asks: "another score than the sigmoid", off: "sigmoid" } },
  },
  (fields, warn): ExaoneMoeConfig => {
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 2048, kvHeads: 32 }, warn);
    const keys = { experts: ["num_experts", "num_local_experts"], shared: "num_shared_experts" };
    const moe = readExperts(fields, common, keys);
    const first = readSparseFrom(fields, common.layers, 1);
    const normalized = fields.boolean("norm_topk_prob", true);
    return {
      ...common,
      ...readExaoneWindows(fields, common.layers),
      sparse: readMlpTypes(fields, common.layers, () => first),
      moe: { ...moe, router: readSigmoidRouter(fields, moe.experts, { factor: 2.5, normalized }) },
    };
  },
);
