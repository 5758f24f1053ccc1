import {
  type Activation,
  add,
  convert,
  type FloatDtype,
  linear,
  moe,
  type RouterSpec,
  type Routing,
  route,
  scale,
  softCap,
  Tensor,
} from "@qknorm/tensor";
import { assertObject } from "./layer-arguments.ts";
import { GatedMlp, type Mlp } from "./mlp.ts";
import { type LayerOptions, Module } from "./module.ts";
import type { ShardRule } from "./shard-rule.ts";

/** How tokens find their experts. */
export interface RouterSetting extends RouterSpec {
  /** `f32`: weight and input of the gate are f32 whatever the model is. `model`: they are as all others. */
  readonly gate: "f32" | "model";
  /** The dtype of a bias `[E]` that takes part in the choice alone; null where there is none. */
  readonly bias: "f32" | "model" | null;
  /** What the weights of the experts are rounded to. */
  readonly weights: "f32" | "model";
  /** Logits become `cap * tanh(logits / cap)`, in f32. */
  readonly softCap?: number;
}

/** The sparse MLPs of a model: how many experts there are, of what size, and how tokens find them. */
export interface MoeSpec {
  readonly hiddenSize: number;
  readonly experts: number;
  /** I: of each expert. */
  readonly intermediateSize: number;
  readonly activation: Activation;
  readonly router: RouterSetting;
  /** What a weight multiplies; default `output`. */
  readonly weighs?: "output" | "input";
  /** The width of an MLP that every token takes; 0 where there is none. */
  readonly sharedSize: number;
  readonly sharedBias?: boolean;
  /** Multiplies what the experts give, before the shared MLP is added. */
  readonly routedScale?: number;
}

/** What the experts alone need of it. */
export type ExpertsSpec = Pick<
  MoeSpec,
  "hiddenSize" | "experts" | "intermediateSize" | "activation" | "weighs"
>;

/** `[T, C] -> [T, E]` and the choice among E, as `route` makes it. */
export class Router extends Module {
  readonly weight: Tensor; // [E, C]
  readonly eScoreCorrectionBias: Tensor | null; // [E]
  readonly #setting: RouterSetting;
  readonly #rounding: LayerOptions["rounding"];

  /** Throws `ERR_QKNORM_ARGUMENT` for a spec without sizes or a router. */
  constructor(spec: MoeSpec, options: LayerOptions) {
    super();
    assertObject(spec, "the spec of experts");
    const { hiddenSize, experts, router } = spec;
    assertObject(router, "the router of experts");
    const zeros = (shape: readonly number[], dtype: "f32" | "model") =>
      Tensor.zeros(shape, dtype === "f32" ? "f32" : options.weightDtype, options.device);
    this.weight = zeros([experts, hiddenSize], router.gate);
    this.eScoreCorrectionBias = router.bias && zeros([experts], router.bias);
    this.#setting = router;
    this.#rounding = options.rounding;
  }

  forward(x: Tensor): Routing {
    const { gate, weights, softCap: cap = 0 } = this.#setting;
    const logits = linear(gate === "f32" ? convert(x, "f32") : x, this.weight); // [T, E]
    const capped = cap > 0 ? softCap(convert(logits, "f32"), cap) : logits;
    const dtype = weights === "model" && this.#rounding === "hf" ? (x.dtype as FloatDtype) : "f32";
    return route(capped, this.eScoreCorrectionBias, this.#setting, dtype);
  }
}

/** E gated MLPs, their weights stacked: `[T, C]` and its routing to `[T, C]`. */
export class Experts extends Module {
  readonly gateUpProj: Tensor; // [E, 2I, C]
  readonly downProj: Tensor; // [E, C, I]
  readonly #spec: ExpertsSpec;
  readonly #rounding: LayerOptions["rounding"];

  constructor(spec: ExpertsSpec, options: LayerOptions) {
    super();
    const { experts, intermediateSize, hiddenSize } = spec;
    const zeros = (rows: number, columns: number) =>
      Tensor.zeros([experts, rows, columns], options.weightDtype, options.device);
    this.gateUpProj = zeros(2 * intermediateSize, hiddenSize);
    this.downProj = zeros(hiddenSize, intermediateSize);
    this.#spec = spec;
    this.#rounding = options.rounding;
  }

  override shardRule(field: string): ShardRule {
    const { intermediateSize } = this.#spec;
    return field === "downProj" ? { axis: 2 } : { axis: 1, parts: [intermediateSize, intermediateSize] };
  }

  forward(x: Tensor, routing: Routing): Tensor {
    const { activation, weighs = "output" } = this.#spec;
    const weights = { gateUp: this.gateUpProj, down: this.downProj };
    return moe(x, weights, routing, { activation, weighs, rounding: this.#rounding });
  }
}

/** A few of many experts for each token, and one that all take: `experts(x) * scale + shared(x)`. */
export class MoeMlp extends Module implements Mlp {
  readonly gate: Router;
  readonly experts: Experts;
  readonly sharedExperts: GatedMlp | null;
  readonly #routedScale: number;

  /** Throws `ERR_QKNORM_ARGUMENT` as its parts do. */
  constructor(spec: MoeSpec, options: LayerOptions) {
    super();
    assertObject(spec, "the spec of experts");
    const { hiddenSize, sharedSize: intermediateSize, activation, sharedBias: bias = false } = spec;
    this.gate = new Router(spec, options);
    this.experts = new Experts(spec, options);
    this.sharedExperts =
      intermediateSize === 0
        ? null
        : new GatedMlp({ hiddenSize, intermediateSize, activation, bias }, options);
    this.#routedScale = spec.routedScale ?? 1;
  }

  forward(x: Tensor): Tensor {
    const routed = this.experts.forward(x, this.gate.forward(x));
    const scaled = this.#routedScale === 1 ? routed : scale(routed, this.#routedScale);
    return this.sharedExperts === null ? scaled : add(scaled, this.sharedExperts.forward(x));
  }
}
