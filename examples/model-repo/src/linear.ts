import type { Tensor } from "./tensor.ts";
import type { WeightMaker } from "./weights.ts";

/** y = x W, without bias. Weight [in, out]. */
export class Linear {
  readonly weight: Tensor;

  constructor(weights: WeightMaker, inWidth: number, outWidth: number) {
    this.weight = weights.matrix(inWidth, outWidth);
  }

  /** [..., in] -> [..., out]. */
  forward(x: Tensor): Tensor {
    return x.matmul(this.weight);
  }
}
