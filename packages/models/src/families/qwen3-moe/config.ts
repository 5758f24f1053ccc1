import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type ExpertFields, readExperts, readTopK, softmaxRouter } from "../../checkpoint/expert-fields.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { configParser, readDenseFields } from "../family.ts";
import type { Qwen3Config } from "../qwen3/config.ts";

export interface Qwen3MoeConfig extends Qwen3Config, ExpertFields {}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseQwen3MoeConfig = configParser(
  "qwen3_moe",
  {
    harmless: {
      "matters in training alone": ["router_aux_loss_coef"],
      "says nothing: every layer has the window, or none": ["max_window_layers"],
    },
    refused: {},
  },
  (fields, warn): Qwen3MoeConfig => {
    const common = readDenseFields(fields, { eps: 1e-6, maxPositions: 32768, kvHeads: 4 }, warn);
    const window = readUsedWindow(fields);
    const experts = readExperts(fields, common, { experts: ["num_experts", "num_local_experts"] });
    const topK = readTopK(fields, experts.experts);
    const router = softmaxRouter(topK, fields.boolean("norm_topk_prob", false));
    return {
      ...common,
      modelType: "qwen3_moe",
      windows: Object.freeze(new Array<number | null>(common.layers).fill(window)),
      causal: true,
      attentionBias: fields.boolean("attention_bias", false),
      sparse: readQwenSparse(fields, common.layers),
      moe: { ...experts, router },
    };
  },
);

/** `sliding_window`, where `use_sliding_window` says that it is used. */
function readUsedWindow(fields: ConfigFields): number | null {
  const used = fields.boolean("use_sliding_window", false);
  const size = fields.raw.sliding_window === null ? null : fields.positiveInteger("sliding_window", 4096);
  return used ? size : null;
}

/** A layer is sparse unless `mlp_only_layers` has it, or `decoder_sparse_step` leaves it out. */
export function readQwenSparse(fields: ConfigFields, layers: number): readonly boolean[] {
  const step = fields.positiveInteger("decoder_sparse_step", 1);
  const dense = fields.value("mlp_only_layers") ?? [];
  if (!Array.isArray(dense) || !dense.every((layer) => Number.isSafeInteger(layer)))
    return fields.fail("mlp_only_layers", `must be a list of layers, got ${shown(dense)}`);
  const only = new Set<number>(dense);
  return Object.freeze(
    Array.from({ length: layers }, (_, layer) => !only.has(layer) && (layer + 1) % step === 0),
  );
}
