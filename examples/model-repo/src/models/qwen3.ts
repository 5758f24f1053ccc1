import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export type Qwen3Config = AttentionConfig;

/** Qwen3: each head of q and k is normalised before RoPE. */
export class Qwen3Attention implements AttentionModule {
  readonly config: Qwen3Config;
  readonly headDim: number;
  readonly qkvProj: Linear;
  readonly oProj: Linear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly rope: Rope;

  constructor(config: Qwen3Config) {
    const { hidden, heads, kvHeads, headDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.qkvProj = new Linear(weights, hidden, (heads + 2 * kvHeads) * headDim);
    this.oProj = new Linear(weights, heads * headDim, hidden);
    this.qNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.kNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.rope = new Rope({ headDim, rotaryDim: headDim, theta: config.ropeTheta });
  }

  forward(x: Tensor): Tensor {
    const { heads, kvHeads, headDim } = this.config;
    const qWidth = heads * headDim;
    const kvWidth = kvHeads * headDim;
    const qkv = this.qkvProj.forward(x); // [T, (Hq + 2*Hkv)*D]
    let q = qkv.slice(0, qWidth);
    let k = qkv.slice(qWidth, qWidth + kvWidth);
    const v = qkv.slice(qWidth + kvWidth, qWidth + 2 * kvWidth);
    [q, k] = this.applyQkNorm(q, k);
    q = this.rope.forward(q);
    k = this.rope.forward(k);
    return this.oProj.forward(causalAttention(q, k, v, this.config));
  }

  private applyQkNorm(q: Tensor, k: Tensor): [Tensor, Tensor] {
    const qByHead = q.reshape([-1, this.headDim]); // [T*Hq, D]
    const qNormed = this.qNorm.forward(qByHead);
    const kByHead = k.reshape([-1, this.headDim]); // [T*Hkv, D]
    const kNormed = this.kNorm.forward(kByHead);
    return [qNormed.reshape(q.shape), kNormed.reshape(k.shape)];
  }
}
