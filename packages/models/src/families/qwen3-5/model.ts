import type { Tensor } from "@qknorm/tensor";
import type { ExpertFields } from "../../checkpoint/expert-fields.ts";
import type { LayerShapes } from "../../checkpoint/outline.ts";
import { renamed, without } from "../../checkpoint/weight-names.ts";
import type { Weights } from "../../checkpoint/weights.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import {
  type DeltaProjections,
  GatedDeltaNet,
  type GatedDeltaNetSpec,
} from "../../layers/gated-delta-net.ts";
import { onePlusSetting } from "../../layers/norm.ts";
import { PackedLinear } from "../../layers/packed-linear.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { decoderFamily } from "../family.ts";
import { hybridDecoder, hybridShapes } from "../hybrid-decoder.ts";
import { assertMade } from "../made-config.ts";
import { parseQwen35Config, type Qwen3HybridConfig } from "./config.ts";

export { parseQwen35Config, type Qwen3HybridConfig } from "./config.ts";

/**
 * Attention of Qwen3.5: `[T, C] -> [T, C]`. q `[T, Hq, D]`, each head followed by a gate of as many values, and k `[T, Hkv, D]` go
 * through RMS norms per head whose weights `[D]` are stored less 1, rounded once, then through RoPE in halves of a part of the
 * head; what attention mixes is multiplied by the gate's sigmoid. From transformers' `Qwen3_5Attention`.
 */
export class Qwen35Attention extends Attention {
  constructor(config: Qwen3HybridConfig, options: AttentionOptions) {
    assertMade(config, options);
    const { headDim, eps, attentionBias } = config;
    const norm = onePlusSetting(headDim, eps);
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        queryGate: true,
      },
      options,
    );
  }
}

/** The gated delta net of Qwen3.5: q, k and v, the gate z, and b and a from a projection each. */
export class Qwen35DeltaNet extends GatedDeltaNet {
  readonly inProj: PackedLinear;
  readonly #spec: GatedDeltaNetSpec;

  constructor(spec: GatedDeltaNetSpec, options: AttentionOptions) {
    super(spec, options);
    const { keyHeads, keyDim, valueHeads, valueDim } = spec;
    const values = valueHeads * valueDim;
    const parts = {
      in_proj_qkv: 2 * keyHeads * keyDim + values,
      in_proj_z: values,
      in_proj_b: valueHeads,
      in_proj_a: valueHeads,
    };
    this.inProj = new PackedLinear(spec.hiddenSize, parts, options);
    this.#spec = spec;
  }

  protected override project(x: Tensor): DeltaProjections {
    const { keyHeads, keyDim, valueHeads, valueDim } = this.#spec;
    const values = valueHeads * valueDim;
    const sizes = [2 * keyHeads * keyDim + values, values, valueHeads, valueHeads];
    const [qkv, z, b, a] = this.inProj.forward(x).split(-1, sizes) as [Tensor, Tensor, Tensor, Tensor];
    return { qkv, z: z.view([x.dim(0), valueHeads, valueDim]), b, a };
  }
}

/** Qwen3.5, its text part. */
export class Qwen35ForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen3HybridConfig, options: ModelOptions) {
    assertMade(config, options, "kinds", "delta");
    super(hybridDecoder(config, { attention: Qwen35Attention, delta: Qwen35DeltaNet }), options);
  }
}

/** The text's part of a checkpoint that sees pictures too, without the layers that predict several tokens at once. */
export function textWeights(weights: Weights): Weights {
  return renamed(without(weights, /^(?:model\.visual|mtp)\./), [[/^model\.language_model\./, "model."]]);
}

/** The parameters that tell the sizes of each layer. */
export function qwen35Shapes(
  config: Qwen3HybridConfig & Partial<ExpertFields>,
): (layer: number) => LayerShapes {
  const { keyHeads, keyDim, valueHeads, valueDim } = config.delta;
  const channels = 2 * keyHeads * keyDim + valueHeads * valueDim;
  return hybridShapes(config, { "linear_attn.in_proj_qkv.weight": [channels, config.hiddenSize] });
}

export const qwen35 = decoderFamily({
  modelType: "qwen3_5_text",
  parse: parseQwen35Config,
  create: Qwen35ForCausalLm,
  shapes: qwen35Shapes,
  adapt: textWeights,
});
