import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import { isCapturing, mainStream, type Stream } from "../stream.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export interface Qwen3MoeConfig extends AttentionConfig {
  /** Where k is normalised while a graph is being captured. */
  readonly altStream?: Stream;
}

/** Qwen3-MoE: as Qwen3, with k on a second stream during capture. */
export class Qwen3MoeAttention implements AttentionModule {
  readonly config: Qwen3MoeConfig;
  readonly headDim: number;
  readonly qkvProj: Linear;
  readonly oProj: Linear;
  readonly qNorm: RmsNorm;
  readonly kNorm: RmsNorm;
  readonly rope: Rope;
  readonly altStream: Stream | undefined;

  constructor(config: Qwen3MoeConfig) {
    const { hidden, heads, kvHeads, headDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.qkvProj = new Linear(weights, hidden, (heads + 2 * kvHeads) * headDim);
    this.qNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.kNorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.rope = new Rope({ headDim, rotaryDim: headDim, theta: config.ropeTheta });
    this.oProj = new Linear(weights, heads * headDim, hidden);
    this.altStream = config.altStream;
  }

  forward(x: Tensor): Tensor {
    const { heads, kvHeads, headDim } = this.config;
    const kStart = heads * headDim;
    const vStart = kStart + kvHeads * headDim;
    const qkv = this.qkvProj.forward(x); // [T, (Hq + 2*Hkv)*D]
    const v = qkv.slice(vStart, qkv.width);
    let [q, k] = this.normalizeHeads(qkv.slice(0, kStart), qkv.slice(kStart, vStart));
    q = this.rope.forward(q);
    k = this.rope.forward(k);
    return this.oProj.forward(causalAttention(q, k, v, this.config));
  }

  private normalizeHeads(q: Tensor, k: Tensor): [Tensor, Tensor] {
    const altStream = this.altStream;
    if (altStream !== undefined && isCapturing()) {
      altStream.waitFor(mainStream);
      const qByHead = this.qNorm.forward(q.reshape([-1, this.headDim]));
      const kByHead = altStream.run(() => this.kNorm.forward(k.reshape([-1, this.headDim])));
      mainStream.waitFor(altStream);
      q = qByHead.reshape(q.shape);
      k = kByHead.reshape(k.shape);
      return [q, k];
    }
    const qByHead = this.qNorm.forward(q.reshape([-1, this.headDim]));
    const kByHead = this.kNorm.forward(k.reshape([-1, this.headDim]));
    q = qByHead.reshape(q.shape);
    k = kByHead.reshape(k.shape);
    return [q, k];
  }
}
