import { readLayerKinds, readWindow } from "../../checkpoint/attention-windows.ts";
import { readSwitches } from "../../checkpoint/layer-switches.ts";
import { configParser, type DenseFields, readDenseFields } from "../family.ts";

export interface SmolLm3Config extends DenseFields {
  /** Of each layer: whether it has positions. */
  readonly rotated: readonly boolean[];
  /** Of each layer: how many tokens a query sees, itself included; null where it sees all before it. */
  readonly windows: readonly (number | null)[];
  readonly attentionBias: boolean;
  readonly mlpBias: boolean;
}

/** @throws ERR_CHECKPOINT that names a field that is missing, wrong or not done */
export const parseSmolLm3Config = configParser(
  "smollm3",
  { harmless: {}, refused: {} },
  (fields, warn): SmolLm3Config => {
    const defaults = { eps: 1e-6, maxPositions: 32768, kvHeads: 4, tied: true, rope: { defaultTheta: 2e6 } };
    const common = readDenseFields(fields, defaults, warn);
    const interval = fields.positiveInteger("no_rope_layer_interval", 4);
    // A 1 in the list means positions, whatever its name says.
    const rotated = readSwitches(
      fields,
      "no_rope_layers",
      common.layers,
      (layer) => (layer + 1) % interval !== 0,
    );
    const slides = fields.boolean("use_sliding_window", false) && fields.has("sliding_window");
    const kinds = readLayerKinds(fields, common.layers, (layer) =>
      slides && rotated[layer] === false ? "sliding_attention" : "full_attention",
    );
    const window = readWindow(fields, kinds, null);
    return {
      ...common,
      rotated,
      windows: kinds.map((kind) => (kind === "sliding_attention" ? window : null)),
      attentionBias: fields.boolean("attention_bias", false),
      mlpBias: fields.boolean("mlp_bias", false),
    };
  },
);
