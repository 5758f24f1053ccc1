import { add, type Tensor } from "@qknorm/tensor";
import { type LayerOptions, Module } from "./module.ts";
import { Experts, type ExpertsSpec } from "./moe.ts";
import { Norm, type NormSetting } from "./norm.ts";
import { ScaledRouter, type ScaledRouterSpec } from "./scaled-router.ts";

/** Sizes of the experts, and the norm of what goes in and comes out. */
export interface ExpertsBesideSpec extends ExpertsSpec, Omit<ScaledRouterSpec, "experts" | "hiddenSize"> {
  readonly norm: NormSetting;
}

const NAMES: Readonly<Record<string, string>> = {
  postMlpNorm: "post_feedforward_layernorm_1",
  postExpertsNorm: "post_feedforward_layernorm_2",
  preExpertsNorm: "pre_feedforward_layernorm_2",
};

/**
 * Experts beside the MLP of a layer, which go by the layer's input before its norm: `norm(mlp) + norm(experts(norm(x)))`.
 * In the checkpoint their parts stand beside those of the layer. From transformers' `Gemma4TextDecoderLayer`.
 */
export class ExpertsBeside extends Module {
  readonly router: ScaledRouter;
  readonly experts: Experts;
  readonly postMlpNorm: Norm;
  readonly postExpertsNorm: Norm;
  readonly preExpertsNorm: Norm;

  constructor(spec: ExpertsBesideSpec, options: LayerOptions) {
    super();
    this.router = new ScaledRouter(spec, options);
    this.experts = new Experts(spec, options);
    this.postMlpNorm = new Norm(spec.norm, options);
    this.postExpertsNorm = new Norm(spec.norm, options);
    this.preExpertsNorm = new Norm(spec.norm, options);
  }

  /** `dense [T, C]`: what the MLP gives; `x [T, C]`: what stood before its norm. */
  forward(dense: Tensor, x: Tensor): Tensor {
    const routed = this.experts.forward(this.preExpertsNorm.forward(x), this.router.forward(x));
    return add(this.postMlpNorm.forward(dense), this.postExpertsNorm.forward(routed));
  }

  protected override checkpointName(field: string): string {
    return NAMES[field] ?? super.checkpointName(field);
  }
}
