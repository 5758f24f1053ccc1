import { activate, linear, mul, Tensor } from "@qknorm/tensor";
import { stackedExperts } from "../../checkpoint/stacked-experts.ts";
import { renamed } from "../../checkpoint/weight-names.ts";
import { Attention, type AttentionOptions } from "../../layers/attention.ts";
import { assertText } from "../../layers/layer-arguments.ts";
import { Linear } from "../../layers/linear.ts";
import { rmsSetting } from "../../layers/norm.ts";
import type { ModelOptions } from "../causal-lm.ts";
import { DecoderForCausalLm } from "../decoder.ts";
import { denseDecoder } from "../dense-decoder.ts";
import { decoderFamily } from "../family.ts";
import { assertMade } from "../made-config.ts";
import { sparseMlps, sparseShapes } from "../sparse-decoder.ts";
import { type LagunaConfig, parseLagunaConfig } from "./config.ts";

export { type LagunaConfig, parseLagunaConfig } from "./config.ts";

/**
 * Attention of Laguna: `[T, C] -> [T, C]`. q `[T, Hq, D]`, Hq of its own for each layer, and k `[T, Hkv, D]` go through RMS norms
 * per head, weights `[D]`, rounded before and after the weight, then through RoPE in halves of the kind of layer. What is
 * mixed is gated by the softplus of a projection of the input, head by head or value by value, before the output
 * projection. From transformers' `LagunaAttention`.
 */
export class LagunaAttention extends Attention {
  readonly gProj: Linear;
  /** `[D, 1]` where a gate is of a whole head. */
  readonly #spread: Tensor | null;

  constructor(config: LagunaConfig, options: AttentionOptions) {
    assertMade(config, options, "kinds", "ropes", "headsOf");
    const { hiddenSize, headDim, eps, attentionBias, kinds, ropes, window, headsOf, gate } = config;
    const { layer = 0 } = options;
    const kind = kinds[layer] ?? "full_attention";
    assertText(kind, "the kind of a layer");
    const queryHeads = headsOf[layer] as number;
    const norm = rmsSetting(headDim, eps);
    super(
      {
        ...{ ...config, queryHeads, rope: ropes[kind] },
        bias: { qkv: attentionBias, out: attentionBias },
        qkNorm: { q: norm, k: norm, order: "norm-rope" },
        window: kind === "sliding_attention" ? window : null,
      },
      options,
    );
    const gates = gate === "head" ? queryHeads : queryHeads * headDim;
    this.gProj = new Linear(hiddenSize, gates, { ...options, shared: "outputs" });
    const ones = Tensor.from(new Float32Array(headDim).fill(1), [headDim, 1]);
    this.#spread = gate === "head" ? ones.to(options.device ?? ones.device) : null;
  }

  override dispose(): void {
    super.dispose();
    this.#spread?.dispose();
  }

  protected override gated(mixed: Tensor, input: () => Tensor): Tensor {
    const gate = activate(this.gProj.forward(input()), "softplus"); // [T, Hq] or [T, Hq * D]
    const each = this.#spread === null ? gate : linear(gate.view([gate.size, 1]), this.#spread); // [T * Hq, D]
    return mul(mixed, each.view(mixed.shape));
  }
}

/** Laguna. */
export class LagunaForCausalLm extends DecoderForCausalLm {
  constructor(config: LagunaConfig, options: ModelOptions) {
    assertMade(config, options);
    super(denseDecoder(config, { attention: LagunaAttention, mlp: sparseMlps(config) }), options);
  }
}

export const laguna = decoderFamily({
  modelType: "laguna",
  parse: parseLagunaConfig,
  create: LagunaForCausalLm,
  shapes: (config) => (layer) =>
    sparseShapes({ ...config, queryHeads: config.headsOf[layer] as number })(layer),
  adapt: (weights) =>
    stackedExperts(
      renamed(weights, [
        [/\.mlp\.experts\.e_score_correction_bias$/, ".mlp.gate.e_score_correction_bias"],
        [/\.mlp\.shared_expert\./, ".mlp.shared_experts."],
      ]),
    ),
});
