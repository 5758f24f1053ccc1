import { mul, Tensor } from "@qknorm/tensor";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { CausalConv } from "../../layers/causal-conv.ts";
import { DecoderLayer, type Mixer } from "../../layers/decoder-layer.ts";
import { assertSizes, refuse } from "../../layers/layer-arguments.ts";
import { Linear } from "../../layers/linear.ts";
import { GatedMlp } from "../../layers/mlp.ts";
import { Module } from "../../layers/module.ts";
import { rmsSetting } from "../../layers/norm.ts";
import { assertStep, type Step } from "../../layers/step.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { type Lfm2Config, parseLfm2Config } from "./config.ts";

export { type Lfm2Config, parseLfm2Config } from "./config.ts";

/**
 * Attention of LFM2: `[T, C] -> [T, C]`. q `[T, Hq, D]` and k `[T, Hkv, D]` go through RMS norms per head, weights `[D]`,
 * rounded before and after the weight, then through RoPE in halves. From Liquid AI's LFM2 (2025) and transformers'
 * `Lfm2Attention`.
 */
export class Lfm2Attention extends Attention {
  constructor(config: Lfm2Config, options: AttentionOptions) {
    assertMade(config, options);
    const norm = rmsSetting(config.headDim, config.eps);
    super(
      {
        ...config,
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        names: { qNorm: "q_layernorm", kNorm: "k_layernorm", oProj: "out_proj" },
      },
      options,
    );
  }
}

/**
 * What most layers of LFM2 have for attention: `[T, C] -> [T, C]`. One projection gives B, C and x `[T, C]`;
 * `out_proj(C * conv(B * x))`, the convolution depthwise over the last L tokens. From transformers' `Lfm2ShortConv`.
 */
export class Lfm2ShortConv extends Module implements Mixer {
  readonly inProj: Linear;
  readonly conv: CausalConv;
  readonly outProj: Linear;

  constructor(config: Lfm2Config, options: AttentionOptions) {
    super();
    assertMade(config, options);
    const { hiddenSize, convTaps, convBias } = config;
    assertSizes({ hiddenSize }, 1);
    const { layer = 0 } = options;
    const bias = { ...options, bias: convBias };
    this.inProj = new Linear(hiddenSize, 3 * hiddenSize, bias);
    this.conv = new CausalConv({ channels: hiddenSize, taps: convTaps, bias: convBias, layer }, options);
    this.outProj = new Linear(hiddenSize, hiddenSize, bias);
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what is no tensor or no step. */
  forward(hidden: Tensor, step: Step): Tensor {
    assertStep(step);
    if (!Tensor.is(hidden)) refuse("hidden must be a Tensor", hidden);
    const width = hidden.dim(1);
    const [b, c, x] = this.inProj.forward(hidden).split(-1, [width, width, width]) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    return this.outProj.forward(mul(c, this.conv.forward(mul(b, x), step)));
  }
}

const MLP_NAMES = { gate: "w1", up: "w3", down: "w2" };
const LAYER_NAMES = { mlp: "feed_forward", inputNorm: "operator_norm", mlpInputNorm: "ffn_norm" };

/** LFM2. */
export class Lfm2ForCausalLm extends DecoderForCausalLm {
  constructor(config: Lfm2Config, options: ModelOptions) {
    assertMade(config, options, "kinds");
    const norm = rmsSetting(config.hiddenSize, config.eps);
    super(
      {
        ...config,
        norm,
        names: { norm: "embedding_norm" },
        layer: (context) => {
          const attends = config.kinds[context.layer] === "full_attention";
          return new DecoderLayer(
            {
              mixer: attends ? new Lfm2Attention(config, context) : new Lfm2ShortConv(config, context),
              mlp: new GatedMlp(config, context, MLP_NAMES),
              arrangement: "pre",
              norm,
              names: { ...LAYER_NAMES, mixer: attends ? "self_attn" : "conv" },
            },
            context,
          );
        },
      },
      options,
    );
  }
}

export const lfm2 = decoderFamily({
  modelType: "lfm2",
  parse: parseLfm2Config,
  create: Lfm2ForCausalLm,
  shapes: ({ kinds, hiddenSize, intermediateSize, queryHeads, kvHeads, headDim, convTaps }) => {
    const mlp = { "feed_forward.w1.weight": [intermediateSize, hiddenSize] };
    const shapes = {
      full_attention: {
        ...mlp,
        "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
        "self_attn.k_proj.weight": [kvHeads * headDim, hiddenSize],
      },
      conv: { ...mlp, "conv.conv.weight": [hiddenSize, 1, convTaps] },
    };
    return (layer) => shapes[kinds[layer] ?? "conv"];
  },
  lastNorm: "embedding_norm",
});
