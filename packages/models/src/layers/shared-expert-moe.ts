import { activate, add, mul, type Tensor } from "@qknorm/tensor";
import { assertObject } from "./layer-arguments.ts";
import { Linear } from "./linear.ts";
import { GatedMlp, type Mlp } from "./mlp.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Experts, type MoeSpec, Router } from "./moe.ts";

/**
 * A few of many experts for each token, and one that all take by a gate of their own (Qwen2-MoE, 2024):
 * `experts(x) + sigmoid(shared_expert_gate(x)) * shared_expert(x)`, `[T, C] -> [T, C]`. The gate is one number a token.
 */
export class SharedExpertMoe extends Module implements Mlp {
  readonly gate: Router;
  readonly experts: Experts;
  readonly sharedExpert: GatedMlp;
  readonly sharedExpertGate: Linear;

  /** Throws `ERR_QKNORM_ARGUMENT` as its parts do. */
  constructor(spec: MoeSpec, options: LayerOptions) {
    super();
    assertObject(spec, "the spec of experts");
    const { hiddenSize, sharedSize: intermediateSize, activation } = spec;
    this.gate = new Router(spec, options);
    this.experts = new Experts(spec, options);
    this.sharedExpert = new GatedMlp({ hiddenSize, intermediateSize, activation }, options);
    this.sharedExpertGate = new Linear(hiddenSize, 1, options);
  }

  forward(x: Tensor): Tensor {
    const routed = this.experts.forward(x, this.gate.forward(x));
    const shares = activate(this.sharedExpertGate.forward(x), "sigmoid"); // [T, 1]
    return add(routed, mul(shares.expand(1, x.dim(1)), this.sharedExpert.forward(x)));
  }
}
