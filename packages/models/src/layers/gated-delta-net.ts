import { applyQkNorm, type QkNormOptions } from "@qknorm/core";
import { type Activation, activate, convert, gatedDeltaRule, siluMul, Tensor } from "@qknorm/tensor";
import type { AttentionOptions } from "./attention.ts";
import { CausalConv } from "./causal-conv.ts";
import type { Mixer } from "./decoder-layer.ts";
import { assertLayerOptions, assertObject, refuse } from "./layer-arguments.ts";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm, type NormSetting, rmsSetting } from "./norm.ts";
import { assertStep, type Step } from "./step.ts";

/** The sizes of a gated delta net. */
export interface GatedDeltaNetSpec {
  /** C. */
  readonly hiddenSize: number;
  /** K. */
  readonly keyHeads: number;
  /** N, a multiple of K: key head h serves N / K of them in a row. */
  readonly valueHeads: number;
  /** dk, of q and k. */
  readonly keyDim: number;
  /** dv. */
  readonly valueDim: number;
  /** L: how many tokens the convolution spans. */
  readonly taps: number;
  /** After the convolution. */
  readonly activation: Activation;
  /** Of the norm before the output. */
  readonly eps: number;
}

/** What the input of a gated delta net is projected to. */
export interface DeltaProjections {
  /** q, k and v side by side, `[T, 2 K dk + N dv]`. */
  readonly qkv: Tensor;
  /** The output's gate, `[T, N, dv]`. */
  readonly z: Tensor;
  /** `[T, N]` each: see `DeltaGates`. */
  readonly b: Tensor;
  readonly a: Tensor;
}

/** Of each head of q and k, eps in the sum. */
const L2: NormSetting = {
  kind: "l2",
  axis: "head",
  shape: null,
  bias: false,
  eps: 1e-6,
  weightOffset: 0,
  rounding: "once",
};

/**
 * Linear attention by the gated delta rule (Yang et al. 2024), `[T, C] -> [T, C]`: q, k and v go through a causal
 * convolution and an activation; q and k `[T, K, dk]` through L2 norms per head in f32; the rule, whose state f32
 * `[N, dk, dv]` stays in the cache; an RMS norm per head, weight `[dv]`, times silu(z); the output projection. How the input is
 * projected is for families to say.
 */
export abstract class GatedDeltaNet extends Module implements Mixer {
  readonly conv1d: CausalConv;
  readonly dtBias: Tensor; // [N]
  readonly aLog: Tensor; // [N]
  readonly norm: Norm;
  readonly outProj: Linear;
  readonly #spec: GatedDeltaNetSpec;
  readonly #keyNorm: Norm;
  readonly #layer: number;
  readonly #rounding: LayerOptions["rounding"];
  readonly #qkNorm: QkNormOptions;

  /** Throws `ERR_QKNORM_ARGUMENT` for a spec without sizes, and for options that lack something. */
  constructor(spec: GatedDeltaNetSpec, options: AttentionOptions) {
    super();
    assertObject(spec, "the spec of a gated delta net");
    assertLayerOptions(options);
    const { hiddenSize, keyHeads, valueHeads, keyDim, valueDim, taps, eps } = spec;
    const { layer = 0, weightDtype, device } = options;
    const channels = 2 * keyHeads * keyDim + valueHeads * valueDim;
    this.conv1d = new CausalConv({ channels, taps, bias: false, layer }, options);
    this.dtBias = Tensor.zeros([valueHeads], weightDtype, device);
    this.aLog = Tensor.zeros([valueHeads], weightDtype, device);
    this.norm = new Norm(rmsSetting(valueDim, eps), options);
    this.outProj = new Linear(valueHeads * valueDim, hiddenSize, options);
    this.#spec = spec;
    this.#keyNorm = new Norm(L2, options);
    this.#layer = layer;
    this.#rounding = options.rounding;
    this.#qkNorm = options.qkNorm ?? {};
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what is no tensor or no step. */
  forward(x: Tensor, step: Step): Tensor {
    assertStep(step);
    if (!Tensor.is(x)) refuse("x must be a Tensor", x);
    const { keyHeads, valueHeads, keyDim, valueDim, activation } = this.#spec;
    const { qkv, z, b, a } = this.project(x);
    const spread = activate(this.conv1d.forward(qkv, step), activation);
    const [width, tokens] = [keyHeads * keyDim, x.dim(0)];
    const [q, k, v] = spread.split(-1, [width, width, valueHeads * valueDim]) as [Tensor, Tensor, Tensor];
    const asKeys = (part: Tensor): Tensor => convert(part, "f32").view([tokens, keyHeads, keyDim]);
    const [queries, keys] = this.#normalize(asKeys(q), asKeys(k), step);
    const shape = [valueHeads, keyDim, valueDim];
    const carried = { layer: this.#layer, name: "memory", shape, dtype: "f32" } as const;
    const recalled = gatedDeltaRule(
      queries,
      keys,
      v.view([tokens, valueHeads, valueDim]),
      { a, b, aLog: this.aLog, dtBias: this.dtBias },
      step.cache.carried(carried, step),
      { scale: keyDim ** -0.5, rounding: this.#rounding },
    );
    return this.outProj.forward(this.#gated(recalled, z).view([tokens, valueHeads * valueDim]));
  }

  protected abstract project(x: Tensor): DeltaProjections;

  protected override checkpointName(field: string): string {
    return field === "aLog" ? "A_log" : super.checkpointName(field);
  }

  #normalize(q: Tensor, k: Tensor, { trace }: Step): [Tensor, Tensor] {
    const norm = this.#keyNorm;
    const { keyDim: headDim } = this.#spec;
    const run = (): [Tensor, Tensor] => applyQkNorm(q, k, norm, norm, headDim, this.#qkNorm);
    const request = { q, k, qNorm: norm, kNorm: norm, headDim, options: this.#qkNorm };
    return trace?.qkNorm(this.#layer, request, run) ?? run();
  }

  /** `norm(x) * silu(z)`, `[T, N, dv]`, the product rounded once. */
  #gated(x: Tensor, z: Tensor): Tensor {
    const width = x.dim(2);
    const both = Tensor.empty([...x.shape.slice(0, 2), 2 * width], x.dtype, x.device);
    both.slice(2, 0, width).copyFrom(z);
    both.slice(2, width, 2 * width).copyFrom(this.norm.forward(x));
    return siluMul(both, "once");
  }
}
