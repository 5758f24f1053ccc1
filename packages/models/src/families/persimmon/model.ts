import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { PlainMlp } from "../../layers/mlp.ts";
import { layerNormSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type PersimmonConfig, parsePersimmonConfig } from "./config.ts";

export { type PersimmonConfig, parsePersimmonConfig } from "./config.ts";

/**
 * Attention of Persimmon: `[T, C] -> [T, C]` from one projection that has q, k and v of each head in turn. Where the config asks,
 * q and k `[T, H, D]` go through LayerNorms per head, weights and biases `[D]`, rounded once; then RoPE in halves of a part of
 * the head. From Adept's Persimmon-8B (2023) and transformers' `PersimmonAttention`.
 */
export class PersimmonAttention extends Attention {
  constructor(config: PersimmonConfig, options: AttentionOptions) {
    assertMade(config, options);
    const norm = layerNormSetting(config.headDim, config.eps, "bias");
    super(
      {
        ...config,
        bias: { qkv: true, out: true },
        qkNorm: config.usesQkNorm ? { q: norm, k: norm, order: "norm-rope" } : null,
        packing: "packed-per-head",
        names: { qkvProj: "query_key_value", qNorm: "q_layernorm", kNorm: "k_layernorm", oProj: "dense" },
      },
      options,
    );
  }
}

/** Persimmon. */
export class PersimmonForCausalLm extends DecoderForCausalLm {
  constructor(config: PersimmonConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: PersimmonAttention,
        mlp: (context) =>
          new PlainMlp({ ...config, bias: true }, { up: "dense_h_to_4h", down: "dense_4h_to_h" }, context),
        norm: layerNormSetting(config.hiddenSize, config.eps, "bias"),
        names: { norm: "final_layernorm" },
      }),
      options,
    );
  }
}

export const persimmon = decoderFamily({
  modelType: "persimmon",
  parse: parsePersimmonConfig,
  create: PersimmonForCausalLm,
  shapes: ({ queryHeads, headDim, hiddenSize, intermediateSize }) => ({
    "self_attn.query_key_value.weight": [3 * queryHeads * headDim, hiddenSize],
    "mlp.dense_h_to_4h.weight": [intermediateSize, hiddenSize],
  }),
  lastNorm: "final_layernorm",
});
