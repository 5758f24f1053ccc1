import type { Tensor } from "@qknorm/tensor";
import type { LayerOptions } from "./module.ts";
import { Norm, rmsSetting } from "./norm.ts";

/** RMSNorm over the last axis (Zhang and Sennrich 2019), weight `[D]`. */
export class RmsNorm extends Norm {
  declare readonly weight: Tensor;

  constructor(width: number, eps: number, options: LayerOptions) {
    super(rmsSetting(width, eps), options);
  }
}
