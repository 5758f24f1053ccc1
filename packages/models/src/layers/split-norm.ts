import type { Tensor } from "@qknorm/tensor";
import { Norm } from "./norm.ts";

/** A norm with a weight `[H, D]` of which the checkpoint has each row as a norm of its own: `norms.3.weight` (StableLM 2). */
export class SplitNorm extends Norm {
  override *parameters(prefix = ""): Generator<[path: string, parameter: Tensor]> {
    const weight = this.weight;
    if (weight === null) return;
    for (const [head, row] of weight.split(0, new Array<number>(weight.dim(0)).fill(1)).entries()) {
      yield [`${prefix}norms.${head}.weight`, row.view([weight.dim(1)])];
    }
  }
}
