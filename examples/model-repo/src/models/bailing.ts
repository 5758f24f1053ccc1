import { type AttentionConfig, type AttentionModule, causalAttention } from "../attention.ts";
import { Linear } from "../linear.ts";
import { RmsNorm } from "../norms.ts";
import { Rope } from "../rope.ts";
import type { Tensor } from "../tensor.ts";
import { WeightMaker } from "../weights.ts";

export interface BailingConfig extends AttentionConfig {
  readonly rotaryDim: number;
}

/** Bailing (Ling 2): the norms are called layernorms but are RMS norms per head. */
export class BailingAttention implements AttentionModule {
  readonly config: BailingConfig;
  readonly headDim: number;
  readonly queryKeyValue: Linear;
  readonly dense: Linear;
  readonly queryLayernorm: RmsNorm;
  readonly keyLayernorm: RmsNorm;
  readonly rotary: Rope;

  constructor(config: BailingConfig) {
    const { hidden, heads, kvHeads, headDim, rotaryDim, eps } = config;
    const weights = new WeightMaker(config.seed);
    this.config = config;
    this.headDim = headDim;
    this.queryKeyValue = new Linear(weights, hidden, (heads + 2 * kvHeads) * headDim);
    this.queryLayernorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.keyLayernorm = new RmsNorm(weights.vector(headDim, 1), eps);
    this.rotary = new Rope({ headDim, rotaryDim, theta: config.ropeTheta });
    this.dense = new Linear(weights, heads * headDim, hidden);
  }

  forward(x: Tensor): Tensor {
    const [queries, keys, values] = this.project(x);
    const [q, k] = this.normQk(queries, keys);
    const context = causalAttention(this.rotary.forward(q), this.rotary.forward(k), values, this.config);
    return this.dense.forward(context);
  }

  /** [T, C] -> [T, Hq*D], [T, Hkv*D], [T, Hkv*D]. */
  private project(x: Tensor): [Tensor, Tensor, Tensor] {
    const { heads, kvHeads, headDim } = this.config;
    const packed = this.queryKeyValue.forward(x);
    const ends = [heads, heads + kvHeads, heads + 2 * kvHeads].map((n) => n * headDim) as [
      number,
      number,
      number,
    ];
    return [packed.slice(0, ends[0]), packed.slice(ends[0], ends[1]), packed.slice(ends[1], ends[2])];
  }

  private normQk(q: Tensor, k: Tensor): [Tensor, Tensor] {
    const qShape = q.shape;
    const kShape = k.shape;

    const qRows = q.reshape([-1, this.headDim]);
    const qScaled = this.queryLayernorm.forward(qRows);
    const qOut = qScaled.reshape(qShape);

    const kRows = k.reshape([-1, this.headDim]);
    const kScaled = this.keyLayernorm.forward(kRows);
    const kOut = kScaled.reshape(kShape);

    return [qOut, kOut];
  }
}
