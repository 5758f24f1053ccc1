import { siluMul, type Tensor } from "@qknorm/tensor";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { PackedLinear } from "./packed-linear.ts";

/** `down(silu(gate(x)) * up(x))` (Shazeer 2020), gate and up as one projection. */
export class SwiGluMlp extends Module {
  readonly gateUpProj: PackedLinear;
  readonly downProj: Linear;
  readonly #options: LayerOptions;

  constructor(hiddenSize: number, intermediateSize: number, options: LayerOptions) {
    super();
    this.gateUpProj = new PackedLinear(
      hiddenSize,
      { gate_proj: intermediateSize, up_proj: intermediateSize },
      options,
    );
    this.downProj = new Linear(intermediateSize, hiddenSize, options);
    this.#options = options;
  }

  forward(x: Tensor): Tensor {
    const gateUp = this.gateUpProj.forward(x); // [T, 2I]
    return this.downProj.forward(siluMul(gateUp, this.#options.rounding));
  }
}
