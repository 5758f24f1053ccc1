import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export interface Glm4MoeConfig extends AttentionConfig {
  readonly useQkNorm: boolean;
  /** Share of each head that RoPE rotates. */
  readonly partialRotary: number;
}

/** GLM-4-MoE: the QK norm is a switch in the config; RoPE rotates half of each head. */
export class Glm4MoeAttention implements AttentionModule {
  readonly config: Glm4MoeConfig;
  readonly headDim: number;
  readonly useQkNorm: boolean;
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly rope: Rope;

  constructor(config: Glm4MoeConfig) {
    const { hidden, heads, kvHeads, headDim, eps, partialRotary } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.useQkNorm = config.useQkNorm;
    this.qProj = new Linear(weights, hidden, heads * headDim);
    this.kProj = new Linear(weights, hidden, kvHeads * headDim);
    this.vProj = new Linear(weights, hidden, kvHeads * headDim);
    this.oProj = new Linear(weights, heads * headDim, hidden);
    this.qNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.kNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.rope = new Rope({ headDim, rotaryDim: partialRotary * headDim, theta: config.ropeTheta });
  }

  forward(x: Tensor): Tensor {
    const { heads, kvHeads, headDim } = this.config;
    let q = this.qProj.forward(x).reshape([-1, heads, headDim]); // [T, Hq, D]
    let k = this.kProj.forward(x).reshape([-1, kvHeads, headDim]); // [T, Hkv, D]
    const v = this.vProj.forward(x).reshape([-1, kvHeads, headDim]); // [T, Hkv, D]

    if (this.useQkNorm) {
      q = this.qNorm.forward(q);
      k = this.kNorm.forward(k);
    }

    q = this.rope.forward(q);
    k = this.rope.forward(k);
    return this.oProj.forward(causalAttention(q, k, v, this.config));
  }
}
