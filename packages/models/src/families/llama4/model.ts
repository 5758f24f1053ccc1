import { transposedStack } from "../../checkpoint/stacked-experts.ts";
import { renamed } from "../../checkpoint/weight-names.ts";
import type { Weights } from "../../checkpoint/weights.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { GatedMlp } from "../../layers/mlp.ts";
import { MoeMlp } from "../../layers/moe.ts";
import type { NormSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import type { LayerContext } from "../decoder-model.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseShapes } from "../sparse-decoder.ts";
import { type Llama4Config, parseLlama4Config } from "./config.ts";

export { type Llama4Config, parseLlama4Config } from "./config.ts";

/**
 * Attention of Llama 4: `[T, C] -> [T, C]`. On layers with positions q `[T, Hq, D]` and k `[T, Hkv, D]` go through interleaved
 * RoPE, in f32 and rounded once, and then, with `useQkNorm`, through RMS norms per head without weight; their queries see
 * runs of keys. On the others queries grow with their position. From Meta's Llama 4 models (2025) and transformers'
 * `Llama4TextAttention`.
 */
export class Llama4Attention extends Attention {
  constructor(config: Llama4Config, options: AttentionOptions) {
    assertMade(config, options, "rotated", "chunks");
    const { eps, attentionBias, rotated, chunks, useQkNorm, rope, temperature } = config;
    const { layer = 0 } = options;
    const turns = rotated[layer] === true;
    const norm: NormSetting = {
      ...{ kind: "rms", axis: "head", shape: null, bias: false, eps, weightOffset: 0, rounding: "once" },
    };
    super(
      {
        ...config,
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: turns && useQkNorm ? { q: norm, k: norm, order: "rope-norm" } : null,
        rope: turns ? rope : null,
        chunk: chunks[layer] as number,
        temperature: turns ? null : temperature,
      },
      options,
    );
  }
}

/** Llama 4, its text part. */
export class Llama4ForCausalLm extends DecoderForCausalLm {
  constructor(config: Llama4Config, options: ModelOptions) {
    assertMade(config, options, "sparse", "moe");
    const { sparse, moe, denseSize } = config;
    const mlp = (context: LayerContext) =>
      sparse[context.layer] === true
        ? new MoeMlp(moe, context)
        : new GatedMlp({ ...config, intermediateSize: denseSize }, context);
    const layerNames = { mlp: "feed_forward" };
    super(denseDecoder(config, { attention: Llama4Attention, mlp, layerNames }), options);
  }
}

export const llama4 = decoderFamily({
  modelType: "llama4_text",
  parse: parseLlama4Config,
  create: Llama4ForCausalLm,
  shapes: (config) => sparseShapes({ ...config, intermediateSize: config.denseSize }, "feed_forward"),
  adapt: (weights) =>
    inputsLast(
      renamed(weights, [
        [/\.feed_forward\.router\.weight$/, ".feed_forward.gate.weight"],
        [/\.feed_forward\.shared_expert\./, ".feed_forward.shared_experts."],
      ]),
    ),
});

/** The weights with the experts' matrices as `[E, out, in]`; the files have `[E, in, out]`. */
function inputsLast(weights: Weights): Weights {
  const stacked = /\.experts\.(?:gate_up|down)_proj$/;
  return new Map(
    [...weights].map(([name, weight]) => [name, stacked.test(name) ? transposedStack(weight) : weight]),
  );
}
