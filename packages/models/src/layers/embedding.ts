import { type FloatDtype, gatherRows, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";

/** Token ids i32 `[T]` to vectors `[T, C]`. */
export class Embedding extends Module {
  readonly weight: Tensor; // [V, C]
  readonly #dtype: FloatDtype;

  constructor(vocabSize: number, hiddenSize: number, options: LayerOptions & { readonly dtype: FloatDtype }) {
    super();
    this.weight = Tensor.zeros([vocabSize, hiddenSize], options.weightDtype);
    this.#dtype = options.dtype;
  }

  forward(ids: Tensor): Tensor {
    return gatherRows(this.weight, ids, this.#dtype);
  }
}
