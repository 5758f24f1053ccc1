import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { PlainMlp } from "../../layers/mlp.ts";
import { layerNormSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type PhiConfig, parsePhiConfig } from "./config.ts";

export { type PhiConfig, parsePhiConfig } from "./config.ts";

/**
 * Attention of Phi-1 to Phi-2: `[T, C] -> [T, C]`. Where the config asks, q `[T, Hq, D]` and k `[T, Hkv, D]` go through LayerNorms
 * per head, weights and biases `[D]`, rounded once; then RoPE in halves of a part of the head. All projections have a bias.
 * From Gunasekar et al. (2023) and transformers' `PhiAttention`.
 */
export class PhiAttention extends Attention {
  constructor(config: PhiConfig, options: AttentionOptions) {
    assertMade(config, options);
    const norm = layerNormSetting(config.headDim, config.eps, "bias");
    super(
      {
        ...config,
        bias: { qkv: true, out: true },
        qkNorm: config.usesQkNorm ? { q: norm, k: norm, order: "norm-rope" } : null,
        names: { qNorm: "q_layernorm", kNorm: "k_layernorm", oProj: "dense" },
      },
      options,
    );
  }
}

/** Phi-1, Phi-1.5 and Phi-2. */
export class PhiForCausalLm extends DecoderForCausalLm {
  constructor(config: PhiConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: PhiAttention,
        mlp: (context) => new PlainMlp({ ...config, bias: true }, { up: "fc1", down: "fc2" }, context),
        arrangement: "parallel",
        norm: layerNormSetting(config.hiddenSize, config.eps, "bias"),
        headBias: true,
        names: { norm: "final_layernorm" },
      }),
      options,
    );
  }
}

export const phi = decoderFamily({
  modelType: "phi",
  parse: parsePhiConfig,
  create: PhiForCausalLm,
  shapes: ({ queryHeads, headDim, hiddenSize, intermediateSize }) => ({
    "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
    "mlp.fc1.weight": [intermediateSize, hiddenSize],
  }),
  lastNorm: "final_layernorm",
});
