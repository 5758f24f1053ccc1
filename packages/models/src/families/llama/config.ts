import { type DecoderFields, readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, maxPositionsOf, readRope } from "../family.ts";

export interface LlamaConfig extends DecoderFields {
  readonly rope: RopeSpec;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseLlamaConfig = configParser(
  "llama",
  { harmless: {}, refused: {} },
  (fields, warn): LlamaConfig => {
    const common = readDecoderFields(fields, { eps: 1e-6, maxPositions: 2048 }, warn);
    const rope = readRope(fields, common);
    return {
      ...common,
      rope,
      maxPositions: maxPositionsOf(common, rope),
      attentionBias: fields.boolean("attention_bias", false),
      mlpBias: fields.boolean("mlp_bias", false),
    };
  },
);
