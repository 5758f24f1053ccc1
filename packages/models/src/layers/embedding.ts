import { type FloatDtype, gatherRows, type Indices, Tensor } from "@qknorm/tensor";
import { assertLayerOptions, assertSizes } from "./layer-arguments.ts";
import { type LayerOptions, Module } from "./module.ts";

/** Token ids `[T]` to vectors `[T, C]`. */
export class Embedding extends Module {
  readonly weight: Tensor; // [V, C]
  readonly #dtype: FloatDtype;

  /** Throws `ERR_QKNORM_ARGUMENT` for sizes that are no integers from 0, and for options that lack something. */
  constructor(vocabSize: number, hiddenSize: number, options: LayerOptions & { readonly dtype: FloatDtype }) {
    super();
    assertSizes({ vocabSize, hiddenSize }, 0);
    assertLayerOptions(options);
    this.weight = Tensor.zeros([vocabSize, hiddenSize], options.weightDtype, options.device);
    this.#dtype = options.dtype;
  }

  forward(ids: Indices): Tensor {
    return gatherRows(this.weight, ids, this.#dtype);
  }
}
