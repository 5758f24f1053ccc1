import { Tensor } from "@qknorm/tensor";
import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import type { AttentionOptions } from "../../layers/attention.ts";
import {
  type DeltaProjections,
  GatedDeltaNet,
  type GatedDeltaNetSpec,
} from "../../layers/gated-delta-net.ts";
import { Linear } from "../../layers/linear.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { decoderFamily } from "../family.ts";
import { hybridDecoder, hybridShapes, sharedExpertMlps } from "../hybrid-decoder.ts";
import { assertMade } from "../made-config.ts";
import { Qwen35Attention, textWeights } from "../qwen3-5/model.ts";
import { parseQwen3NextConfig, type Qwen3NextConfig } from "./config.ts";

export { parseQwen3NextConfig, type Qwen3NextConfig } from "./config.ts";

/**
 * Attention of Qwen3-Next: `[T, C] -> [T, C]`, that of Qwen3.5: RMS norms of `1 + weight` per head, rounded once, before RoPE of a
 * quarter of the head; the queries bring the gate of the output. From transformers' `Qwen3NextAttention`.
 */
export class Qwen3NextAttention extends Qwen35Attention {}

/** The gated delta net of Qwen3-Next: two projections, each with the parts of a key head in turn. */
export class Qwen3NextDeltaNet extends GatedDeltaNet {
  readonly inProjQkvz: Linear; // per key head q, k, its v and their z
  readonly inProjBa: Linear; // per key head b and a of its value heads
  readonly #spec: GatedDeltaNetSpec;

  constructor(spec: GatedDeltaNetSpec, options: AttentionOptions) {
    super(spec, options);
    const { hiddenSize, keyHeads, keyDim, valueHeads, valueDim } = spec;
    const width = 2 * (keyHeads * keyDim + valueHeads * valueDim);
    this.inProjQkvz = new Linear(hiddenSize, width, options);
    this.inProjBa = new Linear(hiddenSize, 2 * valueHeads, options);
    this.#spec = spec;
  }

  protected override project(x: Tensor): DeltaProjections {
    const { keyHeads, keyDim, valueHeads, valueDim } = this.#spec;
    const [tokens, group] = [x.dim(0), valueHeads / keyHeads];
    const parts = (projected: Tensor, sizes: readonly number[]): Tensor[] =>
      projected.view([tokens, keyHeads, projected.dim(1) / keyHeads]).split(-1, sizes);
    const values = group * valueDim;
    const [q, k, v, z] = parts(this.inProjQkvz.forward(x), [keyDim, keyDim, values, values]) as Four;
    const [b, a] = parts(this.inProjBa.forward(x), [group, group]) as [Tensor, Tensor];
    return {
      qkv: sideBySide([q, k, v]),
      z: z.reshape([tokens, valueHeads, valueDim]),
      b: b.reshape([tokens, valueHeads]),
      a: a.reshape([tokens, valueHeads]),
    };
  }
}

type Four = [Tensor, Tensor, Tensor, Tensor];

/** `[T, H, D]` each as rows `[T, H * D]` after one another. */
function sideBySide(parts: readonly Tensor[]): Tensor {
  const [{ shape, dtype, device }] = parts as [Tensor];
  const widths = parts.map((part) => part.dim(1) * part.dim(2));
  const whole = Tensor.empty([shape[0] as number, widths.reduce((a, b) => a + b, 0)], dtype, device);
  for (const [i, target] of whole.split(1, widths).entries()) {
    const part = parts[i] as Tensor;
    target.view(part.shape).copyFrom(part);
  }
  return whole;
}

/** Qwen3-Next. */
export class Qwen3NextForCausalLm extends DecoderForCausalLm {
  constructor(config: Qwen3NextConfig, options: ModelOptions) {
    assertMade(config, options, "kinds", "delta");
    const parts = { attention: Qwen3NextAttention, delta: Qwen3NextDeltaNet, mlp: sharedExpertMlps(config) };
    super(hybridDecoder(config, parts), options);
  }
}

export const qwen3Next = decoderFamily({
  modelType: "qwen3_next",
  parse: parseQwen3NextConfig,
  create: Qwen3NextForCausalLm,
  shapes: (config) => {
    const { keyHeads, keyDim, valueHeads, valueDim } = config.delta;
    const width = 2 * (keyHeads * keyDim + valueHeads * valueDim);
    return hybridShapes(config, { "linear_attn.in_proj_qkvz.weight": [width, config.hiddenSize] });
  },
  adapt: (weights) => stackedExperts(textWeights(weights)),
});
