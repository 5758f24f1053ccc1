import { type FloatDtype, gatherRows, Indices, mul, Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";

/** What a layer multiplies all that it gives by (Gemma 4). In the checkpoint it stands beside the parts of the layer. */
export class LayerScalar extends Module {
  readonly layerScalar: Tensor; // [1]

  constructor({ weightDtype, device }: LayerOptions) {
    super();
    this.layerScalar = Tensor.zeros([1], weightDtype, device);
  }

  /** `[T, C] -> [T, C]`. The scalar is spread where it lies: a device need not be waited for. */
  forward(x: Tensor): Tensor {
    const [tokens, width] = x.shape as [number, number];
    const copies = (table: Tensor, count: number) =>
      gatherRows(table, Indices.from(new Int32Array(count)), x.dtype as FloatDtype);
    const row = copies(this.layerScalar.view([1, 1]), width).view([1, width]);
    return mul(x, copies(row, tokens));
  }
}
