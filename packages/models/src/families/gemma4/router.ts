import { gatherRows, mul, normalize, type Routing, route, scale, Tensor } from "@qknorm/tensor";
import { Linear } from "../../layers/linear.ts";
import { type LayerOptions, Module } from "../../layers/module.ts";
import type { Gemma4Config, Gemma4Experts } from "./config.ts";

/**
 * Which experts a token goes to, by `x [T, C]` before its norm: RMS, times `scale` and `C^-0.5`, projected; the K largest of
 * the softmax, divided by their sum, times a scale of each expert. From transformers' `Gemma4TextRouter`.
 */
export class Gemma4Router extends Module {
  readonly scale: Tensor; // [C]
  readonly proj: Linear; // [E, C]
  readonly perExpertScale: Tensor; // [E]
  readonly #eps: number;
  readonly #topK: number;

  constructor({ hiddenSize, eps }: Gemma4Config, { count, topK }: Gemma4Experts, options: LayerOptions) {
    super();
    const { weightDtype, device } = options;
    this.scale = Tensor.zeros([hiddenSize], weightDtype, device);
    this.proj = new Linear(hiddenSize, count, options);
    this.perExpertScale = Tensor.zeros([count], weightDtype, device);
    this.#eps = eps;
    this.#topK = topK;
  }

  forward(x: Tensor): Routing {
    const spec = { kind: "rms", axis: "head", weightOffset: 0, rounding: "hf" } as const;
    const normalized = normalize(x, { ...spec, weight: this.scale, eps: this.#eps });
    const logits = this.proj.forward(scale(normalized, x.dim(1) ** -0.5)); // [T, E]
    const softmax = {
      score: "softmax",
      topK: this.#topK,
      groups: null,
      normalize: { eps: 0 },
      factor: 1,
    } as const;
    const { experts, weights } = route(logits, null, softmax, "f32"); // [T * K], [T, K]
    const ofExperts = gatherRows(this.perExpertScale.view([this.perExpertScale.size, 1]), experts, "f32");
    return { experts, weights: mul(weights, ofExperts.view(weights.shape)) };
  }
}
