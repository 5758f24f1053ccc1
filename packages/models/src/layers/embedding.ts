import { type FloatDtype, gatherRows, type Indices, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";

/** Token ids `[T]` to vectors `[T, C]`. */
export class Embedding extends Module {
  readonly weight: Tensor; // [V, C]
  readonly #dtype: FloatDtype;

  constructor(vocabSize: number, hiddenSize: number, options: LayerOptions & { readonly dtype: FloatDtype }) {
    super();
    this.weight = Tensor.zeros([vocabSize, hiddenSize], options.weightDtype, options.device);
    this.#dtype = options.dtype;
  }

  forward(ids: Indices): Tensor {
    return gatherRows(this.weight, ids, this.#dtype);
  }
}
