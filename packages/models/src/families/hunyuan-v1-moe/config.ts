import type { ConfigFields } from "../../checkpoint/config-fields.ts";
import { type ExpertFields, readExperts, readTopK, softmaxRouter } from "../../checkpoint/expert-fields.ts";
import { shown } from "../../checkpoint/shown-value.ts";
import { configParser, readDenseFields } from "../family.ts";
import { HUNYUAN_KEYS, type HunyuanV1DenseConfig } from "../hunyuan-v1-dense/config.ts";

export interface HunyuanV1MoeConfig extends HunyuanV1DenseConfig, ExpertFields {
  /** Of each layer: how many experts a token goes to. */
  readonly topKs: readonly number[];
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseHunyuanV1MoeConfig = configParser(
  "hunyuan_v1_moe",
  HUNYUAN_KEYS,
  (fields, warn): HunyuanV1MoeConfig => {
    const common = readDenseFields(fields, { eps: 1e-5, maxPositions: 2048, rope: { alpha: true } }, warn);
    const keys = { experts: ["num_experts", "num_local_experts"], width: "intermediate_size" };
    const moe = readExperts(fields, common, keys);
    const topKs = readTopKs(fields, common.layers, moe.experts);
    return {
      ...common,
      attentionBias: fields.boolean("attention_bias", false),
      topKs,
      sparse: Object.freeze(new Array<boolean>(common.layers).fill(true)),
      moe: {
        ...moe,
        sharedSize: common.intermediateSize,
        router: { ...softmaxRouter(topKs[0] as number, true), gate: "f32", weights: "f32" },
      },
    };
  },
);

/** `moe_topk`, or its other name: one number for all layers, or one for each. */
function readTopKs(fields: ConfigFields, layers: number, experts: number): readonly number[] {
  const [key = "moe_topk", other] = ["moe_topk", "num_experts_per_tok"].filter((name) => fields.has(name));
  const value = fields.value(key);
  if (other !== undefined && shown(fields.value(other)) !== shown(value))
    fields.fail(other, `is ${shown(fields.value(other))}, and ${key} is ${shown(value)}; they are one`);
  if (!Array.isArray(value)) return new Array<number>(layers).fill(readTopK(fields, experts, key));
  const fits = (topK: number) => Number.isSafeInteger(topK) && topK >= 1 && topK <= experts;
  if (value.length >= layers && value.every(fits)) return Object.freeze([...(value as number[])]);
  return fields.fail(
    key,
    `must be a number of experts for each of ${layers} layers, of ${experts}, got ${shown(value)}`,
  );
}
