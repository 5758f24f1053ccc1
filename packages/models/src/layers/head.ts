import { project, Tensor } from "@qknorm/tensor";
import type { Embedding } from "./embedding.ts";
import { type LayerOptions, Module } from "./module.ts";
import type { Norm } from "./norm.ts";

export interface HeadSpec {
  readonly hiddenSize: number;
  readonly vocabSize: number;
  /** The weight is the embedding's. */
  readonly tied: boolean;
  /** `[V]`; a tied head may have one too. */
  readonly bias: boolean;
}

/** Hidden states `[T, C]` to logits `[T, V]`, through the model's last norm, by a weight of its own or by the embedding's. */
export class Head extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;

  constructor({ hiddenSize, vocabSize, tied, bias }: HeadSpec, options: LayerOptions) {
    super();
    const { weightDtype, device } = options;
    this.weight = tied ? null : Tensor.zeros([vocabSize, hiddenSize], weightDtype, device);
    this.bias = bias ? Tensor.zeros([vocabSize], weightDtype, device) : null;
  }

  forward(hidden: Tensor, embedding: Embedding, norm: Norm): Tensor {
    return project(hidden, this.weight ?? embedding.weight, { norm: norm.spec, bias: this.bias });
  }
}
