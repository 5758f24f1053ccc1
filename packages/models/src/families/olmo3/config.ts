import {
  type AttentionKind,
  fullEvery,
  readLayerKinds,
  readWindow,
} from "../../checkpoint/attention-windows.ts";
import { type DecoderFields, readDecoderFields } from "../../checkpoint/decoder-fields.ts";
import type { RopeSpec } from "../../layers/rotary-embedding.ts";
import { configParser, readRope } from "../family.ts";

export interface Olmo3Config extends DecoderFields {
  readonly kinds: readonly AttentionKind[];
  /** By the kind of a layer. */
  readonly ropes: Readonly<Record<AttentionKind, RopeSpec>>;
  /** How many tokens the queries of sliding layers see, themselves included; null where no layer slides. */
  readonly window: number | null;
  readonly maxPositions: number;
  readonly attentionBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseOlmo3Config = configParser(
  "olmo3",
  { harmless: {}, refused: {} },
  (fields, warn): Olmo3Config => {
    const common = readDecoderFields(fields, { eps: 1e-5, maxPositions: 2048 }, warn);
    const usual = { defaultTheta: 5e5, rounding: "once" } as const;
    const full = readRope(fields, common, { ...usual, layerType: "full_attention" });
    const { maxPositions } = full;
    const ropes = {
      full_attention: full,
      // The older keys speak of full layers alone; transformers 5 drops `rope_theta` for the others.
      sliding_attention: readRope(fields, common, {
        ...usual,
        layerType: "sliding_attention",
        maxPositions,
        older: "ignored",
      }),
    };
    const kinds = readLayerKinds(fields, common.layers, fullEvery(4));
    return {
      ...common,
      kinds,
      ropes,
      window: readWindow(fields, kinds, 4096),
      maxPositions,
      attentionBias: fields.boolean("attention_bias", false),
    };
  },
);
