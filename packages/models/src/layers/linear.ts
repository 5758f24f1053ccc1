import { linear, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";

/** `x [..., K] -> [..., N]`, weight `[N, K]`, bias `[N]` where the family has one. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  constructor(inputs: number, outputs: number, options: LayerOptions & { readonly bias?: boolean }) {
    super();
    this.weight = Tensor.zeros([outputs, inputs], options.weightDtype, options.device);
    this.bias = options.bias === true ? Tensor.zeros([outputs], options.weightDtype, options.device) : null;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
