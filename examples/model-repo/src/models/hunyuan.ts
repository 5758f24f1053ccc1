import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { LayerNorm, RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export type HunyuanConfig = AttentionConfig;

/** Hunyuan: the QK norm comes after RoPE, and an output gate still reads the query as it was before the norm. */
export class HunyuanAttention implements AttentionModule {
  readonly config: HunyuanConfig;
  readonly headDim: number;
  readonly qkvProj: Linear;
  readonly oProj: Linear;
  readonly queryLayernorm: RmsNorm;
  readonly keyLayernorm: RmsNorm;
  readonly gateNorm: LayerNorm;
  readonly rope: Rope;

  constructor(config: HunyuanConfig) {
    const { hidden, heads, kvHeads, headDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.qkvProj = new Linear(weights, hidden, (heads + 2 * kvHeads) * headDim);
    this.oProj = new Linear(weights, heads * headDim, hidden);
    this.queryLayernorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.keyLayernorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.gateNorm = new LayerNorm(
      weights.vector(heads * headDim, 1),
      weights.vector(heads * headDim, 0),
      eps,
    );
    this.rope = new Rope({ headDim, rotaryDim: headDim, theta: config.ropeTheta });
  }

  forward(x: Tensor): Tensor {
    const { heads, kvHeads, headDim } = this.config;
    const kStart = heads * headDim;
    const vStart = kStart + kvHeads * headDim;
    const qkv = this.qkvProj.forward(x); // [T, (Hq + 2*Hkv)*D]
    let q = this.rope.forward(qkv.slice(0, kStart));
    let k = this.rope.forward(qkv.slice(kStart, vStart));
    const v = qkv.slice(vStart, qkv.width);

    const rawQuery = q; // [T, Hq*D]
    q = this.queryLayernorm.forward(q.reshape([-1, headDim])).reshape(q.shape);
    k = this.keyLayernorm.forward(k.reshape([-1, headDim])).reshape(k.shape);

    const attended = causalAttention(q, k, v, this.config); // [T, Hq*D]
    const gate = this.gateNorm.forward(rawQuery).sigmoid(); // [T, Hq*D]
    return this.oProj.forward(attended.mul(gate));
  }
}
