import type { LayerShapes } from "../checkpoint/outline.ts";
import type { Attention, AttentionOptions } from "../layers/attention.ts";
import { DecoderLayer } from "../layers/decoder-layer.ts";
import type { GatedDeltaNet, GatedDeltaNetSpec } from "../layers/gated-delta-net.ts";
import { GatedMlp, type Mlp } from "../layers/mlp.ts";
import { onePlusSetting } from "../layers/norm.ts";
import type { DecoderSpec, LayerContext } from "./decoder-model.ts";
import type { Qwen3HybridConfig } from "./qwen3-5/config.ts";

/** What a family adds to a decoder of full and linear attention. */
export interface HybridParts<Config> {
  readonly attention: new (config: Config, options: AttentionOptions) => Attention;
  readonly delta: new (spec: GatedDeltaNetSpec, options: AttentionOptions) => GatedDeltaNet;
  mlp?(context: LayerContext): Mlp;
}

/** Pre-norms of `1 + weight` around attention or a gated delta net, as `kinds` says, and an MLP. */
export function hybridDecoder<Config extends Qwen3HybridConfig>(
  config: Config,
  { attention: FamilyAttention, delta: FamilyDeltaNet, mlp }: HybridParts<Config>,
): DecoderSpec {
  const norm = onePlusSetting(config.hiddenSize, config.eps);
  return {
    ...config,
    norm,
    layer: (context) => {
      const attends = config.kinds[context.layer] === "full_attention";
      return new DecoderLayer(
        {
          mixer: attends ? new FamilyAttention(config, context) : new FamilyDeltaNet(config.delta, context),
          mlp: mlp?.(context) ?? new GatedMlp(config, context),
          arrangement: "pre",
          norm,
          names: { mixer: attends ? "self_attn" : "linear_attn" },
        },
        context,
      );
    },
  };
}

/** The parameters that tell the sizes of each layer's attention, or of its gated delta net. */
export function hybridShapes(
  config: Qwen3HybridConfig,
  delta: (spec: GatedDeltaNetSpec) => LayerShapes,
): readonly (readonly [layer: number, shapes: LayerShapes])[] {
  const { kinds, hiddenSize, queryHeads, kvHeads, headDim } = config;
  const shapes = {
    full_attention: {
      "self_attn.q_proj.weight": [2 * queryHeads * headDim, hiddenSize],
      "self_attn.k_proj.weight": [kvHeads * headDim, hiddenSize],
    },
    linear_attention: {
      ...delta(config.delta),
      "linear_attn.A_log": [config.delta.valueHeads],
      "linear_attn.norm.weight": [config.delta.valueDim],
    },
  };
  return kinds.map((kind, layer) => [layer, shapes[kind]] as const);
}
