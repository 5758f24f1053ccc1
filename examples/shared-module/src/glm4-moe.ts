import { KvCache, nextStep } from "@qknorm/models";
import { Glm4MoeAttention, parseGlm4MoeConfig } from "@qknorm/models/glm4-moe";
import { type Tensor, tidy } from "@qknorm/tensor";

/** GLM-4-MoE's attention as a model of this repo, `[T, C] -> [T, C]`, from a config.json as it is published. */
export class Glm4Moe {
  readonly attention: Glm4MoeAttention;

  constructor(config: object) {
    const options = { weightDtype: "f32", rounding: "hf" } as const;
    this.attention = new Glm4MoeAttention(parseGlm4MoeConfig({ ...config }), options);
  }

  forward(x: Tensor): Tensor {
    const cache = new KvCache({ layers: 1, dtype: "f32", maxPositions: x.dim(0) });
    const step = nextStep(
      Array.from({ length: x.dim(0) }, () => 0),
      cache,
    );
    return tidy(() => this.attention.forward(x, step));
  }
}
