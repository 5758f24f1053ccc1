import { causalConv, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";
import type { Step } from "./step.ts";

export interface CausalConvSpec {
  readonly channels: number;
  /** L: how many tokens a value depends on, its own included. */
  readonly taps: number;
  readonly bias: boolean;
  /** Which layer of the model, and of the cache, it belongs to. */
  readonly layer: number;
}

/** Causal depthwise convolution, `[T, C] -> [T, C]`, weight `[C, 1, L]`; the last L - 1 inputs stay in the cache. */
export class CausalConv extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;
  readonly #spec: CausalConvSpec;

  constructor(spec: CausalConvSpec, { weightDtype, device }: LayerOptions) {
    super();
    this.weight = Tensor.zeros([spec.channels, 1, spec.taps], weightDtype, device);
    this.bias = spec.bias ? Tensor.zeros([spec.channels], weightDtype, device) : null;
    this.#spec = spec;
  }

  forward(x: Tensor, step: Step): Tensor {
    const { layer, channels, taps } = this.#spec;
    const carried = { layer, name: "conv", shape: [taps - 1, channels] };
    const state = step.cache.carried(carried, step);
    return causalConv(x, this.weight.view([channels, taps]), this.bias, state);
  }
}
