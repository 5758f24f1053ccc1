import type { NormSpec } from "@qknorm/core";
import { normalize, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";

/** RMSNorm over the last axis (Zhang and Sennrich 2019). Its `spec` is what lets QK norm be fused. */
export class RmsNorm extends Module {
  readonly weight: Tensor; // [D]
  readonly #spec: NormSpec<Tensor>;

  constructor(width: number, eps: number, options: LayerOptions) {
    super();
    this.weight = Tensor.zeros([width], options.weightDtype, options.device);
    this.#spec = Object.freeze({
      kind: "rms",
      axis: "head",
      weight: this.weight,
      eps,
      weightOffset: 0,
      rounding: options.rounding,
    });
  }

  get spec(): NormSpec<Tensor> {
    return this.#spec;
  }

  forward(x: Tensor): Tensor {
    return normalize(x, this.#spec);
  }
}
