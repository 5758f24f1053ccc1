import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export type Olmo2Config = AttentionConfig;

/** OLMo 2: q and k are each normalised as one row across all heads, so the weights are [Hq*D] and [Hkv*D]. */
export class Olmo2Attention implements AttentionModule {
  readonly config: Olmo2Config;
  readonly headDim: number;
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly rope: Rope;

  constructor(config: Olmo2Config) {
    const { hidden, heads, kvHeads, headDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    const qWidth = heads * headDim;
    const kvWidth = kvHeads * headDim;
    this.config = config;
    this.headDim = headDim;
    this.qProj = new Linear(weights, hidden, qWidth);
    this.kProj = new Linear(weights, hidden, kvWidth);
    this.vProj = new Linear(weights, hidden, kvWidth);
    this.oProj = new Linear(weights, qWidth, hidden);
    this.qNorm = new RmsNorm(weights.vector(qWidth, 1), eps);
    this.kNorm = new RmsNorm(weights.vector(kvWidth, 1), eps);
    this.rope = new Rope({ headDim, rotaryDim: headDim, theta: config.ropeTheta });
  }

  forward(x: Tensor): Tensor {
    let q = this.qProj.forward(x); // [T, Hq*D]
    let k = this.kProj.forward(x); // [T, Hkv*D]
    const v = this.vProj.forward(x); // [T, Hkv*D]
    [q, k] = this.applyQkNorm(q, k);
    q = this.rope.forward(q);
    k = this.rope.forward(k);
    return this.oProj.forward(causalAttention(q, k, v, this.config));
  }

  private applyQkNorm(q: Tensor, k: Tensor): [Tensor, Tensor] {
    q = this.qNorm.forward(q);
    k = this.kNorm.forward(k);
    return [q, k];
  }
}
