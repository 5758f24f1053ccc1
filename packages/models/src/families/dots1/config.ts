import { type AttentionKind, readLayerKinds, readWindow } from "../../checkpoint/attention-windows.ts";
import {
  type ExpertFields,
  readExperts,
  readSigmoidRouter,
  readSparseFrom,
} from "../../checkpoint/expert-fields.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Dots1Config extends DenseFields, ExpertFields {
  readonly kinds: readonly AttentionKind[];
  /** How many tokens the queries of sliding layers see, themselves included; null where no layer slides. */
  readonly window: number | null;
  readonly attentionBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseDots1Config = configParser(
  "dots1",
  {
    harmless: { "says in published files what this family always does": ["moe_layer_freq", "ep_size"] },
    refused: {
      scoring_func: { asks: "another score than the sigmoid", off: "sigmoid" },
      topk_method: { asks: "another choice of experts", off: "noaux_tc" },
    },
  },
  (fields, warn): Dots1Config => {
    const common = readDenseFields(fields, { eps: 1e-6, maxPositions: 2048, kvHeads: 32 }, warn);
    const first = fields.nonNegativeInteger("max_window_layers", 62);
    const slides = fields.raw.sliding_window !== null;
    const kinds = readLayerKinds(fields, common.layers, (layer) =>
      slides && layer >= first ? "sliding_attention" : "full_attention",
    );
    const keys = { experts: ["n_routed_experts", "num_local_experts"], shared: "n_shared_experts" };
    const moe = readExperts(fields, common, keys);
    const normalized = fields.boolean("norm_topk_prob", false);
    return {
      ...common,
      kinds,
      window: readWindow(fields, kinds, 4096),
      attentionBias: fields.boolean("attention_bias", false),
      sparse: readSparseFrom(fields, common.layers, 0),
      moe: { ...moe, router: readSigmoidRouter(fields, moe.experts, { normalized }) },
    };
  },
);
