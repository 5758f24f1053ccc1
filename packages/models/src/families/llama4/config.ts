import { readChunks } from "../../checkpoint/attention-chunks.ts";
import { type ExpertFields, readExperts, readMoeLayers, readTopK } from "../../checkpoint/expert-fields.ts";
import { readSwitches } from "../../checkpoint/layer-switches.ts";
import type { QueryTemperature } from "../../layers/query-temperature.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface Llama4Config extends DenseFields, ExpertFields {
  /** The width of dense MLPs. */
  readonly denseSize: number;
  /** Of each layer: whether it has positions. */
  readonly rotated: readonly boolean[];
  /** Of each layer: the length of the runs that its queries see; 0 where they see all. */
  readonly chunks: readonly number[];
  readonly useQkNorm: boolean;
  readonly attentionBias: boolean;
  /** Of queries on layers without positions; null for none. */
  readonly temperature: QueryTemperature | null;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLlama4Config = configParser(
  "llama4_text",
  {
    harmless: { "matters in training alone": ["router_aux_loss_coef", "router_jitter_noise"] },
    refused: {},
  },
  (fields, warn): Llama4Config => {
    const rope = { layout: "interleaved", rounding: "once", defaultTheta: 5e5 } as const;
    const defaults = { eps: 1e-5, maxPositions: 131_072, kvHeads: 8, headDim: 128, rope };
    const common = readDenseFields(fields, defaults, warn);
    const { layers, intermediateSize } = common;
    const interval = fields.positiveInteger("no_rope_layer_interval", 4);
    // A 1 in the list means positions, whatever its name says.
    const rotated = readSwitches(fields, "no_rope_layers", layers, (layer) => (layer + 1) % interval !== 0);
    const keys = { experts: ["num_local_experts", "num_experts"], width: "intermediate_size" };
    const moe = readExperts(fields, common, keys);
    const tuned = fields.boolean("attn_temperature_tuning", true);
    const temperature = {
      floor: fields.positiveNumber("floor_scale", 8192),
      scale: fields.number("attn_scale", 0.1),
    };
    return {
      ...common,
      denseSize: fields.positiveInteger("intermediate_size_mlp", 16384),
      rotated,
      chunks: readChunks(fields, rotated),
      useQkNorm: fields.boolean("use_qk_norm", true),
      attentionBias: fields.boolean("attention_bias", false),
      temperature: tuned ? temperature : null,
      sparse: readMoeLayers(fields, layers),
      moe: {
        ...moe,
        sharedSize: intermediateSize,
        weighs: "input",
        router: {
          ...{ score: "sigmoid", topK: readTopK(fields, moe.experts), groups: null, normalize: null },
          ...{ factor: 1, gate: "model", bias: null, weights: "model" },
        },
      },
    };
  },
);
