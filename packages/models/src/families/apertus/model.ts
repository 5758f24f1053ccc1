import { Tensor, xielu } from "@qknorm/tensor";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { PlainMlp } from "../../layers/mlp.ts";
import { type LayerOptions, Module } from "../../layers/module.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type ApertusConfig, parseApertusConfig } from "./config.ts";

export { type ApertusConfig, parseApertusConfig } from "./config.ts";

/** xIELU (Huang et al. 2024) with its scalars from the checkpoint. */
class Xielu extends Module {
  readonly alphaP: Tensor;
  readonly alphaN: Tensor;
  readonly beta: Tensor;
  readonly eps: Tensor;

  constructor({ weightDtype, device }: LayerOptions) {
    super();
    const number = (shape: number[]) => Tensor.zeros(shape, weightDtype, device);
    this.alphaP = number([1]);
    this.alphaN = number([1]);
    this.beta = number([]);
    this.eps = number([]);
  }

  forward(x: Tensor): Tensor {
    return xielu(x, this);
  }
}

/** `down(act(up(x)))`, by default with xIELU. */
class ApertusMlp extends PlainMlp {
  readonly actFn: Xielu | null;

  constructor(config: ApertusConfig, options: LayerOptions) {
    assertMade(config, options);
    super(config, { up: "up_proj", down: "down_proj" }, options);
    this.actFn = config.xielu ? new Xielu(options) : null;
  }

  protected override activate(x: Tensor): Tensor {
    return this.actFn?.forward(x) ?? super.activate(x);
  }
}

/**
 * Attention of Apertus: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * rounded before and after the weight, then through RoPE in halves. From the Apertus technical report (2025) and
 * transformers' `ApertusAttention`.
 */
export class ApertusAttention extends Attention {
  constructor(config: ApertusConfig, options: AttentionOptions) {
    assertMade(config, options);
    const bias = { qkv: config.attentionBias, out: config.attentionBias };
    const norm = rmsSetting(config.headDim, config.eps);
    super({ ...config, bias, qkNorm: { q: norm, k: norm, order: "norm-rope" } }, options);
  }
}

/** Apertus. */
export class ApertusForCausalLm extends DecoderForCausalLm {
  constructor(config: ApertusConfig, options: ModelOptions) {
    assertMade(config, options);
    super(
      denseDecoder(config, {
        attention: ApertusAttention,
        mlp: (context) => new ApertusMlp(config, context),
        layerNames: { inputNorm: "attention_layernorm", mlpInputNorm: "feedforward_layernorm" },
      }),
      options,
    );
  }
}

export const apertus = decoderFamily({
  modelType: "apertus",
  parse: parseApertusConfig,
  create: ApertusForCausalLm,
  shapes: ({ queryHeads, headDim, hiddenSize, intermediateSize }) => ({
    "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
    "mlp.up_proj.weight": [intermediateSize, hiddenSize],
  }),
});
