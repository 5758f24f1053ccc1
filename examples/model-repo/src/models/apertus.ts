import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export type ApertusConfig = AttentionConfig;

/** Apertus: the QK norm is two one-liners in the middle of the forward pass. */
export class ApertusAttention implements AttentionModule {
  readonly config: ApertusConfig;
  readonly headDim: number;
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly rope: Rope;

  constructor(config: ApertusConfig) {
    const { hidden, heads, kvHeads, headDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.qProj = new Linear(weights, hidden, heads * headDim);
    this.kProj = new Linear(weights, hidden, kvHeads * headDim);
    this.vProj = new Linear(weights, hidden, kvHeads * headDim);
    this.qNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.kNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.rope = new Rope({ headDim, rotaryDim: headDim, theta: config.ropeTheta });
    this.oProj = new Linear(weights, heads * headDim, hidden);
  }

  forward(x: Tensor): Tensor {
    let q = this.qProj.forward(x); // [T, Hq*D]
    let k = this.kProj.forward(x); // [T, Hkv*D]
    const v = this.vProj.forward(x); // [T, Hkv*D]
    q = this.qNorm.forward(q.reshape([-1, this.headDim])).reshape(q.shape);
    k = this.kNorm.forward(k.reshape([-1, this.headDim])).reshape(k.shape);
    const out = causalAttention(this.rope.forward(q), this.rope.forward(k), v, this.config);
    return this.oProj.forward(out);
  }
}
