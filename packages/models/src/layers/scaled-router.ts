import { gatherRows, mul, normalize, type Routing, route, scale, Tensor } from "@qknorm/tensor";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";

export interface ScaledRouterSpec {
  /** C. */
  readonly hiddenSize: number;
  /** E, of which a token goes to K. */
  readonly experts: number;
  readonly topK: number;
  /** Of the norm of what it is given. */
  readonly eps: number;
}

/**
 * A router that normalises what it is given and scales what it chose, `x [T, C]` to `[T, K]`: RMS, times `scale` and `C^-0.5`,
 * projected; the K largest of the softmax, divided by their sum, times a scale of each expert. From transformers'
 * `Gemma4TextRouter`.
 */
export class ScaledRouter extends Module {
  readonly scale: Tensor; // [C]
  readonly proj: Linear; // [E, C]
  readonly perExpertScale: Tensor; // [E]
  readonly #spec: ScaledRouterSpec;

  constructor(spec: ScaledRouterSpec, options: LayerOptions) {
    super();
    const { weightDtype, device } = options;
    this.scale = Tensor.zeros([spec.hiddenSize], weightDtype, device);
    this.proj = new Linear(spec.hiddenSize, spec.experts, options);
    this.perExpertScale = Tensor.zeros([spec.experts], weightDtype, device);
    this.#spec = spec;
  }

  forward(x: Tensor): Routing {
    const { eps, topK } = this.#spec;
    const rms = { kind: "rms", axis: "head", weightOffset: 0, rounding: "hf" } as const;
    const normalized = normalize(x, { ...rms, weight: this.scale, eps });
    const logits = this.proj.forward(scale(normalized, x.dim(1) ** -0.5)); // [T, E]
    const softmax = { score: "softmax", topK, groups: null, normalize: { eps: 0 }, factor: 1 } as const;
    const { experts, weights } = route(logits, null, softmax, "f32"); // [T * K], [T, K]
    const ofExperts = gatherRows(this.perExpertScale.view([this.perExpertScale.size, 1]), experts, "f32");
    return { experts, weights: mul(weights, ofExperts.view(weights.shape)) };
  }
}
