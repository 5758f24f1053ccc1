import type { ExpertFields } from "../checkpoint/expert-fields.ts";
import type { LayerShapes } from "../checkpoint/outline.ts";
import type { Attention, AttentionOptions } from "../layers/attention.ts";
import { DecoderLayer } from "../layers/decoder-layer.ts";
import type { GatedDeltaNet, GatedDeltaNetSpec } from "../layers/gated-delta-net.ts";
import { assertList } from "../layers/layer-arguments.ts";
import { GatedMlp, type Mlp } from "../layers/mlp.ts";
import { onePlusSetting } from "../layers/norm.ts";
import { SharedExpertMoe } from "../layers/shared-expert-moe.ts";
import type { DecoderSpec, LayerContext } from "./decoder-model.ts";
import type { Qwen3HybridConfig } from "./qwen3-5/config.ts";

/** What a family adds to a decoder of full and linear attention. */
export interface HybridParts<Config> {
  readonly attention: new (config: Config, options: AttentionOptions) => Attention;
  readonly delta: new (spec: GatedDeltaNetSpec, options: AttentionOptions) => GatedDeltaNet;
  mlp?(context: LayerContext): Mlp | null;
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

/**
 * The MLPs of a decoder whose sparse layers have an expert that all tokens take, by a gate of its own. Throws
 * `ERR_QKNORM_ARGUMENT` for fields that do not say which layers are sparse.
 */
export function sharedExpertMlps({ sparse, moe }: ExpertFields): (context: LayerContext) => Mlp | null {
  assertList(sparse, "sparse of the config");
  return (context) => (sparse[context.layer] === true ? new SharedExpertMoe(moe, context) : null);
}

/** The parameters that tell the sizes of each layer; `delta` are those of the projections of a gated delta net. */
export function hybridShapes(
  config: Qwen3HybridConfig & Partial<ExpertFields>,
  delta: LayerShapes,
): (layer: number) => LayerShapes {
  const { kinds, hiddenSize, queryHeads, kvHeads, headDim, intermediateSize, sparse, moe } = config;
  const mixers = {
    full_attention: {
      "self_attn.q_proj.weight": [2 * queryHeads * headDim, hiddenSize],
      "self_attn.k_proj.weight": [kvHeads * headDim, hiddenSize],
    },
    linear_attention: {
      ...delta,
      "linear_attn.A_log": [config.delta.valueHeads],
      "linear_attn.norm.weight": [config.delta.valueDim],
    },
  };
  const dense = { "mlp.gate_proj.weight": [intermediateSize, hiddenSize] };
  const experts: LayerShapes = moe
    ? { "mlp.experts.gate_up_proj": [moe.experts, 2 * moe.intermediateSize, hiddenSize] }
    : dense;
  return (layer) => ({
    ...mixers[kinds[layer] ?? "full_attention"],
    ...(sparse?.[layer] === true ? experts : dense),
  });
}
